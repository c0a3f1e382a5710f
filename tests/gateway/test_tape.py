from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.small_market import at, trade

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import Side
from triplegain.gateway.served_market import ServedTape

LAP = 100 * SECOND_NS
#: Three trades, two of them at the same time.
RECORDED = (trade(1, 10, number="70"), trade(1, 11, number="71", side=Side.SELL), trade(5, 12, number="90"))


def _tape(laps: int) -> ServedTape:
    tape = ServedTape()
    for lap in range(laps):
        if lap:
            tape.close_lap(LAP)
        for one in RECORDED:
            tape.add(one)
    return tape


def test_numbers_have_no_holes_and_no_two_trades_share_a_nanosecond() -> None:
    told = _tape(1).last(10)
    assert [one.number for one in told] == [70, 71, 72]
    assert [one.time_ns for one in told] == [at(1), at(1) + 1, at(5)]
    assert [one.side for one in told] == ["buy", "sell", "buy"]


def test_a_recording_without_numbers_counts_from_one() -> None:
    tape = ServedTape()
    assert [tape.add(trade(second, 1)).number for second in (1, 2)] == [1, 2]


def test_a_later_lap_is_the_same_later() -> None:
    told = _tape(3).last(100)
    assert [one.number for one in told] == list(range(70, 79))
    for before, after in zip(told, told[3:], strict=False):
        assert after.time_ns == before.time_ns + LAP
        assert (after.price, after.quantity, after.side) == (before.price, before.quantity, before.side)


@given(st.integers(1, 4), st.integers(-10, 450), st.integers(-1, 1), st.integers(1, 20))
def test_a_page_holds_the_trades_after_a_time(laps: int, seconds: int, more: int, count: int) -> None:
    tape = _tape(laps)
    since = at(seconds) + more
    expected = [one for one in tape.last(1000) if one.time_ns > since][:count]
    assert tape.after(since, count) == expected


@given(st.integers(1, 4), st.integers(1, 7))
def test_page_by_page_nothing_is_lost_and_nothing_comes_twice(laps: int, page: int) -> None:
    tape = _tape(laps)
    found, since = [], 0
    while rows := tape.after(since, page):
        found += rows
        since = rows[-1].time_ns
    assert found == tape.last(1000)


def test_an_empty_tape_has_empty_pages() -> None:
    assert (ServedTape().after(0, 10), ServedTape().last(10)) == ([], [])
