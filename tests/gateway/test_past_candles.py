from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.small_market import START, at

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import Side
from triplegain.gateway.served_market import ROWS, ServedCandles, ServedDay
from triplegain.venues.kraken.wire.writer import TapeTrade

MINUTE = 60 * SECOND_NS


def _trade(seconds: float, price: int, lots: int = 10) -> TapeTrade:
    return TapeTrade(1, at(seconds), price, lots, Side.BUY)


def test_a_candle_sums_its_trades_up() -> None:
    candles = ServedCandles(1)
    for one in (_trade(1, 10), _trade(2, 14, 30), _trade(3, 8), _trade(59, 11)):
        candles.add(one)
    (row,) = candles.rows(at(59))
    # Cost 100 + 420 + 80 + 110 = 710 over 60 lots: 11.83, cut down to a whole tick.
    assert (row.open, row.high, row.low, row.close, row.volume, row.trades, row.vwap) == (10, 14, 8, 11, 60, 4, 11)


def test_minutes_without_a_trade_are_flat_and_the_last_one_is_open() -> None:
    candles = ServedCandles(1)
    candles.add(_trade(0, 10))
    candles.add(_trade(3 * 60, 20))
    rows = candles.rows(at(5 * 60 + 1))
    assert [row.time_ns for row in rows] == [START + minute * MINUTE for minute in range(6)]
    assert [row.close for row in rows] == [10, 10, 10, 20, 20, 20]
    assert [row.trades for row in rows] == [1, 0, 0, 1, 0, 0]
    assert {(row.open, row.high, row.low, row.vwap) for row in rows if not row.trades} == {
        (10, 10, 10, 0), (20, 20, 20, 0)
    }  # fmt: skip


def test_there_is_nothing_before_the_first_trade() -> None:
    assert ServedCandles(5).rows(at(0)) == []


@given(st.lists(st.integers(0, 40 * ROWS), min_size=1, max_size=30), st.integers(0, 20 * ROWS))
def test_at_most_720_closed_candles_follow_each_other(minutes: list[int], later: int) -> None:
    candles = ServedCandles(1)
    for minute in sorted(minutes):
        candles.add(_trade(60 * minute, 100 + minute))
    now = at(60 * (max(minutes) + later))
    rows = candles.rows(now)
    assert rows[-1].time_ns == now // MINUTE * MINUTE
    assert len(rows) == min(ROWS + 1, max(minutes) + later - min(minutes) + 1)
    assert all(after.time_ns - before.time_ns == MINUTE for before, after in pairwise(rows))
    assert sum(row.trades for row in rows) == sum(at(60 * minute) >= rows[0].time_ns for minute in minutes)


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=40))
def test_the_last_day_is_what_an_addition_of_its_trades_gives(trades: list[tuple[int, int, int]]) -> None:
    day = ServedDay()
    told = [_trade(60 * minute, price, lots) for minute, price, lots in sorted(trades)]
    for one in told:
        day.add(one)
    last = [one for one in told if one.time_ns > told[-1].time_ns - 1440 * MINUTE]
    assert day.trades == len(last)
    assert day.volume == sum(one.quantity for one in last)
    assert day.vwap == sum(one.quantity * one.price for one in last) // day.volume
    assert (day.low, day.high) == (min(one.price for one in last), max(one.price for one in last))
    assert day.open == last[0].price
