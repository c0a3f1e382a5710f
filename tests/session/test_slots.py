"""Rounds that may be open at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.session.stored_parts import kept, taken_up

from triplegain.agents.registry import AGENTS
from triplegain.decision.schedule import ConcurrencyLimit
from triplegain.domain.errors import InvalidValueError

LIMITS = {spec.name: spec.concurrency for spec in AGENTS.tasks}


@pytest.fixture
def slots() -> ConcurrencyLimit:
    return ConcurrencyLimit(LIMITS)


def test_a_task_has_no_more_slots_than_its_limit(slots: ConcurrencyLimit) -> None:
    assert [slots.take("sentiment", name) for name in ("s1", "s2", "s3")] == [True, True, False]
    assert slots.take("rebalance", "r1")
    assert not slots.take("rebalance", "r2")


def test_all_together_have_no_more_than_the_total(slots: ConcurrencyLimit) -> None:
    assert [slots.take("technical", f"t{n}") for n in range(3)] == [True] * 3
    assert [slots.take("regime", f"g{n}") for n in range(3)] == [True, True, False]


def test_who_waits_goes_in_order_with_decisions_first(slots: ConcurrencyLimit) -> None:
    for n in range(3):
        slots.take("technical", f"t{n}")
    for n in range(3):
        slots.take("regime", f"g{n}")
    assert not slots.take("sentiment", "s0")
    assert not slots.take("decision", "d0")
    assert tuple(slots.waiting) == ("g2", "s0", "d0")
    assert slots.give_back("t0") == ("d0",)
    assert slots.give_back("t1") == ("g2",)
    assert slots.give_back("t2") == ("s0",)
    assert slots.give_back("g0") == ()


def test_one_whose_task_is_full_holds_up_nobody_else() -> None:
    slots = ConcurrencyLimit({"technical": 1, "regime": 3}, total=3)
    assert slots.take("technical", "t0")
    assert not slots.take("technical", "t1")
    assert slots.take("regime", "g0")


def test_giving_back_twice_or_before_leaving_frees_one_slot_at_most(slots: ConcurrencyLimit) -> None:
    slots.take("rebalance", "r0")
    slots.take("rebalance", "r1")
    assert slots.give_back("r1") == ()
    assert tuple(slots.waiting) == ()
    assert slots.give_back("r0") == slots.give_back("r0") == ()
    assert slots.take("rebalance", "r2")
    assert slots.take("rebalance", "r2"), "asked again, the answer is the same"


def test_a_task_without_a_limit_is_an_error(slots: ConcurrencyLimit) -> None:
    with pytest.raises(InvalidValueError, match="no limit"):
        slots.take("hodl", "h0")


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(sorted(LIMITS)), st.integers(0, 9)), max_size=80))
def test_no_limit_is_ever_passed_and_nobody_waits_for_a_free_slot(steps: list[tuple[bool, str, int]]) -> None:
    slots = ConcurrencyLimit(LIMITS)
    for takes, task, number in steps:
        round_id = f"{task}-{number}"
        if takes:
            assert slots.take(task, round_id) == (round_id in slots.open)
        else:
            assert set(slots.give_back(round_id)) <= set(slots.open)
        of_task = {name: sum(each.startswith(name) for each in slots.open) for name in LIMITS}
        assert len(slots.open) <= 5
        assert all(of_task[name] <= LIMITS[name] for name in LIMITS)
        for waiting in slots.waiting:
            name = waiting.partition("-")[0]
            assert len(slots.open) == 5 or of_task[name] == LIMITS[name]
        again = taken_up(kept(slots), ConcurrencyLimit(LIMITS))
        assert (again.open, again.waiting) == (slots.open, slots.waiting)
