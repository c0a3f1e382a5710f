"""A schedule under a clock that is moved by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.session.stored_parts import kept, rows_of, taken_up

from triplegain.agents.registry import AGENTS
from triplegain.agents.spec import TaskSpec
from triplegain.decision.schedule import Schedule, Skip
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError

START_NS = 1_621_382_400 * SECOND_NS + 123
HOUR_S = 3600
DAY_S = 24 * HOUR_S
#: 86 400 s over the interval: the first run at the start, the last one before the day is over.
A_DAY = {"technical": 1440, "regime": 288, "sentiment": 48, "decision": 24, "rebalance": 24}


def at(seconds: int) -> int:
    return START_NS + seconds * SECOND_NS


def run_all(schedule: Schedule, now_ns: int) -> list[str]:
    """Run everything that can run now, as a session with rules does: each task ends at once."""
    ran = []
    while ready := schedule.ready(now_ns):
        schedule.began(ready[0], now_ns)
        schedule.ended(ready[0])
        ran.append(ready[0])
    return ran


def pass_time(schedule: Schedule, from_s: int, to_s: int, step_s: int = 1) -> None:
    for second in range(from_s, to_s, step_s):
        if at(second) >= schedule.next_due_ns:
            run_all(schedule, at(second))


def restarted(schedule: Schedule, specs: tuple[TaskSpec, ...] = AGENTS.tasks) -> Schedule:
    """A schedule of another process, from the state as the database gives it back: keys in any order."""
    return taken_up(kept(schedule), Schedule(specs))


@pytest.fixture
def schedule() -> Schedule:
    started = Schedule()
    started.start(START_NS)
    return started


def test_in_a_day_each_task_runs_exactly_as_often_as_scheduled(schedule: Schedule) -> None:
    pass_time(schedule, 0, DAY_S)
    assert schedule.runs == A_DAY


def test_a_restart_in_the_middle_changes_nothing(schedule: Schedule) -> None:
    middle = 11 * HOUR_S + 1234
    pass_time(schedule, 0, middle)
    other = restarted(schedule)
    assert other.next_due_ns == schedule.next_due_ns
    other.start(at(middle))
    pass_time(other, middle, DAY_S)
    assert other.runs == A_DAY
    assert rows_of(other) == rows_of(restarted(other))


@pytest.mark.parametrize(
    ("back_after", "technical", "regime", "decision"),
    [
        # Away from 10:00 to 13:00, back on a moment of the grid. Missed: 10:00..12:59, 180 minutes; 36; 3 hours.
        (13 * HOUR_S, 1440 - 180, 288 - 36, 24 - 3),
        # Back at 13:00:30: one late run for the moments up to 13:00, then 13:01. Missed: the same number.
        (13 * HOUR_S + 30, 1440 - 180, 288 - 36, 24 - 3),
        # Back at 13:59:59: 13:59 is made up for late. Technical missed 10:00..13:58, 239 minutes; regime 10:00..13:50
        # (47 moments, 13:55 made up for); decision 10, 11, 12 (13:00 made up for).
        (14 * HOUR_S - 1, 1440 - 239, 288 - 47, 24 - 3),
    ],
)
def test_a_gap_of_hours_is_made_up_for_by_one_run(
    schedule: Schedule, back_after: int, technical: int, regime: int, decision: int
) -> None:
    pass_time(schedule, 0, 10 * HOUR_S)
    assert run_all(schedule, at(back_after)) == ["technical", "regime", "sentiment", "decision", "rebalance"]
    assert run_all(schedule, at(back_after)) == []
    pass_time(schedule, back_after, DAY_S)
    assert (schedule.runs["technical"], schedule.runs["regime"]) == (technical, regime)
    assert schedule.runs["decision"] == schedule.runs["rebalance"] == decision
    tally = schedule.tasks["technical"].tally
    assert (tally.ran, tally.missed, tally.ran + tally.missed) == (technical, 1440 - technical, 1440)


def test_after_a_late_run_the_grid_is_where_it_was(schedule: Schedule) -> None:
    run_all(schedule, at(0))
    assert schedule.next_due_ns == at(60)
    run_all(schedule, at(97))
    assert schedule.next_due_ns == at(120)


def test_everything_that_never_ran_is_due_at_once_in_order_of_dependencies(schedule: Schedule) -> None:
    assert schedule.next_due_ns == START_NS
    assert schedule.due(START_NS) == ("technical", "regime", "sentiment", "decision", "rebalance")
    assert schedule.ready(START_NS) == ("technical", "regime", "sentiment")
    assert schedule.due(START_NS - 1) == ()


def test_before_the_start_nothing_is_due_and_a_second_start_changes_nothing(schedule: Schedule) -> None:
    idle = Schedule()
    assert (idle.due(at(DAY_S)), idle.ready(at(DAY_S)), dict(idle.runs)) == ((), (), {})
    assert restarted(idle).next_due_ns == idle.next_due_ns > at(DAY_S)
    run_all(schedule, at(0))
    schedule.start(at(5))
    assert schedule.due(at(5)) == ()


def test_a_task_the_stored_state_does_not_know_never_ran_and_is_due() -> None:
    without = tuple(spec for spec in AGENTS.tasks if spec.name != "rebalance")
    schedule = Schedule(without)
    schedule.start(START_NS)
    pass_time(schedule, 0, 5000)
    other = restarted(schedule)
    assert other.due(at(5000)) == ("rebalance",)
    assert run_all(other, at(5000)) == ["rebalance"]
    assert set(restarted(other, without).runs) == {"technical", "regime", "sentiment", "decision"}


def test_a_decision_waits_for_the_analyses_of_its_moment_until_they_end_or_their_time_is_up(schedule: Schedule) -> None:
    for name in ("technical", "regime", "sentiment"):
        schedule.began(name, at(0))
    assert schedule.ready(at(0)) == ()
    schedule.ended("technical")
    # Regime may take 30 s and sentiment 60 s; technical is due again at 60 s, but not for the decision of second 0.
    assert (schedule.ready(at(29)), schedule.next_due_ns) == ((), at(60))
    schedule.ended("sentiment")
    assert (schedule.ready(at(29)), schedule.next_due_ns) == ((), at(30))
    assert schedule.ready(at(30)) == ("decision",)
    assert restarted(schedule).ready(at(29)) == ()
    schedule.ended("regime")
    assert schedule.ready(at(29)) == ("decision",)


def test_a_late_decision_is_not_put_off_by_analyses_of_later_moments(schedule: Schedule) -> None:
    for name in ("technical", "regime", "sentiment"):
        schedule.began(name, at(0))
    assert schedule.ready(at(60)) == ("technical", "decision")
    schedule.began("technical", at(60))
    assert schedule.ready(at(60)) == ("decision",)


def test_it_never_asks_to_be_asked_before_it_has_something_to_say(schedule: Schedule) -> None:
    run_all(schedule, at(0))
    pass_time(schedule, 1, 3600)
    for name in ("technical", "regime", "sentiment"):
        schedule.began(name, at(3600))
    # Decision waits for sentiment until 3660, rebalance for the decision; technical itself is due at 3660.
    assert schedule.ready(at(3600)) == schedule.ready(at(3659)) == ()
    assert schedule.next_due_ns == at(3660)


def test_a_run_by_request_leaves_the_grid_as_it_is(schedule: Schedule) -> None:
    run_all(schedule, at(0))
    schedule.request("decision", at(100))
    schedule.request("decision", at(101))
    assert restarted(schedule).due(at(101)) == ("technical", "decision")
    assert run_all(schedule, at(101)) == ["technical", "decision"]
    tally = schedule.tasks["decision"].tally
    assert (tally.ran, tally.forced, schedule.runs["decision"]) == (1, 1, 2)
    pass_time(schedule, 102, DAY_S)
    assert dict(schedule.runs) == {**A_DAY, "decision": 25}


def test_a_request_on_a_moment_of_the_grid_is_that_run(schedule: Schedule) -> None:
    pass_time(schedule, 0, 3600)
    schedule.request("decision", at(3600))
    assert "decision" in run_all(schedule, at(3600))
    assert (schedule.tasks["decision"].tally.ran, schedule.tasks["decision"].tally.forced) == (2, 0)


def test_a_skipped_moment_is_counted_with_its_reason_and_not_made_up_for(schedule: Schedule) -> None:
    for second in range(0, 3 * HOUR_S, 60):
        for name in schedule.due(at(second)):
            if name == "decision":
                schedule.skipped(name, at(second), Skip.PAUSED if second < HOUR_S else Skip.EMERGENCY)
            else:
                schedule.began(name, at(second))
                schedule.ended(name)
    assert schedule.tasks["decision"].tally.skipped == {"paused": 1, "emergency": 2}
    assert (schedule.runs["decision"], schedule.runs["technical"]) == (0, 180)
    assert restarted(schedule).tasks == schedule.tasks


def test_what_is_not_due_cannot_begin(schedule: Schedule) -> None:
    run_all(schedule, at(0))
    with pytest.raises(InvalidValueError, match="not due"):
        schedule.began("decision", at(1))
    with pytest.raises(InvalidValueError, match="no task 'hodl'"):
        schedule.request("hodl", at(1))


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ((TaskSpec("a", 1, ("b",)), TaskSpec("b", 1, ("a",))), "wait for each other"),
        ((TaskSpec("a", 1, ("b",)),), "not in the schedule"),
        ((TaskSpec("a", 1), TaskSpec("a", 2)), "same name"),
        ((TaskSpec("a", 0),), "above zero"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(specs: tuple[TaskSpec, ...], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        Schedule(specs)


def test_specs_may_come_in_any_order() -> None:
    schedule = Schedule(reversed(AGENTS.tasks))
    schedule.start(START_NS)
    due = schedule.due(START_NS)
    assert due.index("decision") > max(due.index(each) for each in ("technical", "regime", "sentiment"))
    assert due[-1] == "rebalance"


@given(looks=st.lists(st.integers(1, 5000), max_size=60), restarts=st.sets(st.integers(0, 59)))
def test_ran_and_missed_moments_are_those_of_the_grid_however_time_passes(looks: list[int], restarts: set[int]) -> None:
    schedule = Schedule()
    schedule.start(START_NS)
    run_all(schedule, START_NS)
    second = 0
    for number, step in enumerate(looks):
        second += step
        run_all(schedule, at(second))
        if number in restarts:
            schedule = restarted(schedule)
        for spec in AGENTS.tasks:
            tally = schedule.tasks[spec.name].tally
            assert tally.ran + tally.missed == second * SECOND_NS // spec.interval_ns + 1
        assert at(second) < schedule.next_due_ns <= at(second) + 60 * SECOND_NS
