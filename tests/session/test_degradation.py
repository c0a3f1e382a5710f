"""What failures in a row leave out, and how it comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.session.stored_parts import kept, taken_up

from triplegain.agents.registry import AGENTS
from triplegain.decision.degradation import Degradation, Level
from triplegain.domain.clock import SECOND_NS
from triplegain.llm.reply import FailureKind

LEVELS = {"N": Level.NORMAL, "R": Level.REDUCED, "L": Level.LIMITED, "E": Level.EMERGENCY}


def levels(degradation: Degradation, course: str, dependency: str = "openai") -> str:
    """The level after each step of a course of failures (f) and successes (s), by first letters."""
    letters = ""
    for step in course:
        if step == "f":
            degradation.failed(dependency, 0, "timeout")
        else:
            degradation.succeeded(dependency)
        letters += degradation.level.label[0].upper()
    return letters


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("fffffffff", "NNRRRLLLE"),
        # In a row: one success begins the count anew.
        ("ffsff", "NNNNN"),
        ("ffsfff", "NNNNNR"),
        # Three successes lead one level back, each time.
        ("fffsss", "NNRRRN"),
        ("fffffffffsssssssss", "NNRRRLLLEEELLLRRRN"),
        # Two are not enough, and a failure between makes them start again.
        ("fffssfsss", "NNRRRRRRN"),
        # After a success the count goes on from the level's threshold: three more lead to the next one.
        ("fffsfff", "NNRRRRL"),
        # More failures than it takes change nothing more: the way back is the same.
        ("ffffffffffffsss", "NNRRRLLLEEEEEEL"),
        ("ssss", "NNNN"),
    ],
)
def test_the_level_after_each_failure_and_success(course: str, expected: str) -> None:
    assert levels(Degradation(), course) == expected


def test_each_dependency_is_counted_for_itself_and_the_worst_holds() -> None:
    degradation = Degradation()
    levels(degradation, "fffff", "ollama")
    assert levels(degradation, "ff", "xai") == "RR", "seven failures, but not of the same"
    assert (degradation.level_of("ollama"), degradation.level_of("xai")) == (Level.REDUCED, Level.NORMAL)
    assert levels(degradation, "sss", "anthropic") == "RRR", "the success of one is not that of another"
    assert levels(degradation, "ffff", "xai") == "RRRL"


def test_it_says_who_is_to_blame() -> None:
    degradation = Degradation()
    assert degradation.reason == ""
    for _ in range(3):
        degradation.failed("xai", 0, "no answer within 30 s")
    assert degradation.reason == "xai failed 3 times: no answer within 30 s"


@pytest.mark.parametrize(
    ("level", "asked", "may_open"),
    [
        (Level.NORMAL, "technical regime social news decision conflict rebalance", True),
        (Level.REDUCED, "technical regime decision conflict", True),
        (Level.LIMITED, "decision", True),
        (Level.EMERGENCY, "", False),
    ],
)
def test_what_each_level_leaves_out(level: Level, asked: str, may_open: bool) -> None:
    assert " ".join(agent.name for agent in AGENTS if level.may_ask(agent.importance)) == asked
    assert level.may_open is may_open


def test_only_failures_of_the_provider_count_against_it() -> None:
    counted = {kind.value for kind in FailureKind if kind.of_provider}
    assert counted == {"timeout", "connection", "rate_limited", "server_error", "rejected", "unavailable"}


def test_in_an_emergency_each_failing_dependency_is_probed_once_in_a_while() -> None:
    degradation = Degradation()
    levels(degradation, "f" * 9, "xai")
    levels(degradation, "f" * 8, "openai")
    assert degradation.take_probes(299 * SECOND_NS) == ()
    assert degradation.take_probes(300 * SECOND_NS) == ("xai",)
    assert degradation.take_probes(301 * SECOND_NS) == ()
    degradation.failed("xai", 310 * SECOND_NS, "timeout")
    assert degradation.take_probes(600 * SECOND_NS) == ()
    assert degradation.take_probes(610 * SECOND_NS) == ("xai",)
    for _ in range(3):
        degradation.succeeded("xai")
    assert degradation.level is Level.LIMITED


@given(st.lists(st.tuples(st.sampled_from(["feed", "xai", "openai"]), st.booleans()), max_size=60), st.integers(0, 60))
def test_a_restart_changes_nothing(steps: list[tuple[str, bool]], restart: int) -> None:
    through, restarted = Degradation(), Degradation()
    for number, (dependency, fails) in enumerate(steps):
        if number == restart:
            restarted = taken_up(kept(restarted), Degradation())
        for degradation in (through, restarted):
            if fails:
                degradation.failed(dependency, number * SECOND_NS, "down")
            else:
                degradation.succeeded(dependency)
        assert (through.level, through.reason) == (restarted.level, restarted.reason)
