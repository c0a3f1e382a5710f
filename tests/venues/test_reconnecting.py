from __future__ import annotations

import pytest

from triplegain.venues.kraken.connection import ConnectBudget, Reconnecting


def _most(bound: float) -> float:
    return bound


def test_the_first_attempts_follow_at_once_and_later_ones_ever_later() -> None:
    pace = Reconnecting(ConnectBudget(), _most)
    assert [pace.wait_s(1000.0) for _ in range(12)] == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_waits_are_drawn_up_to_that() -> None:
    pace = Reconnecting(ConnectBudget(), lambda bound: bound / 4)
    assert [pace.wait_s(1000.0) for _ in range(6)] == [0, 0, 0, 0.25, 0.5, 1]


def test_a_connection_that_lived_begins_anew_and_one_that_did_not_goes_on() -> None:
    pace = Reconnecting(ConnectBudget(), _most)
    for _ in range(4):
        pace.wait_s(1000.0)
    pace.up(1000.0)
    assert pace.wait_s(1009.0) == 2
    pace.up(1010.0)
    assert pace.wait_s(1020.0) == 0


@pytest.mark.parametrize(("flag", "waits"), [("in_maintenance", [5, 5, 5]), ("was_refused", [5, 10, 20])])
def test_maintenance_and_refusals_are_waited_out(flag: str, waits: list[float]) -> None:
    pace = Reconnecting(ConnectBudget(), _most)
    assert [pace.wait_s(1000.0, **{flag: True}) for _ in range(3)] == waits


def test_all_connections_together_stay_inside_the_limit() -> None:
    budget = ConnectBudget(most=3, window_s=600)
    first, second = Reconnecting(budget, _most), Reconnecting(budget, _most)
    assert [first.wait_s(0.0), second.wait_s(10.0), first.wait_s(20.0)] == [0, 0, 0]
    # Full: the fourth waits until the first is ten minutes old, the fifth for the second.
    assert [second.wait_s(30.0), second.wait_s(40.0)] == [570, 570]
    assert first.wait_s(1300.0) == 0
