from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.market.indicators.recorded import BTC_USDT, KRAKEN_HOURS, XRP_BTC, candles_of
from tests.market.timeframes.market_steps import DAY, HOUR, MINUTE, SYMBOL, candle, flat, trade

from triplegain.domain.market import Candle, PastCandles, PublicTrade
from triplegain.feeds.captures.trades_capture import TradesCapture
from triplegain.market.candles.symbol_candles import SymbolCandles
from triplegain.market.candles.timeframe import TIMEFRAMES
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.suite import IndicatorSuite

SUITE = IndicatorSuite(IndicatorSettings())
ALL = tuple(TIMEFRAMES.values())


def _candles(symbol: str = SYMBOL, names: Sequence[str] = tuple(TIMEFRAMES), keep: int = 50_000) -> SymbolCandles:
    return SymbolCandles(symbol, [TIMEFRAMES[name] for name in names], keep, SUITE)


def _history(candles: SymbolCandles, name: str) -> list[Candle]:
    return list(candles.series[name].history)


def _resampled(minutes: Sequence[Candle], name: str) -> list[Candle]:
    """By hand: all minutes of an interval, those with trades giving the prices. The first and the last may be cut; what
    comes before a hole of a whole interval is forgotten."""
    frame = TIMEFRAMES[name]
    groups: dict[int, list[Candle]] = {}
    for each in minutes:
        groups.setdefault(frame.start(each.open_time_ns), []).append(each)
    made: list[Candle] = []
    ends = (min(groups, default=0), max(groups, default=0))
    for start, group in groups.items():
        if len(group) * group[0].length_ns != frame.length_ns and start in ends:
            continue
        if made and start != made[-1].close_time_ns:
            made.clear()
        traded = [each for each in group if each.volume] or group[:1]
        high, low = max(each.high for each in traded), min(each.low for each in traded)
        volume, trades = sum(each.volume for each in group), sum(each.trades for each in group)
        prices = (traded[0].open, high, low, traded[-1].close)
        made.append(Candle(group[0].symbol, start, frame.length_ns, *prices, volume, trades))
    return made


@pytest.mark.parametrize(
    ("file", "days"),
    [
        pytest.param(BTC_USDT, 31, marks=pytest.mark.slow),
        pytest.param(XRP_BTC, 31, marks=pytest.mark.slow),
        (XRP_BTC, 17),
    ],
)
def test_every_timeframe_is_what_its_minutes_add_up_to(captures: Path, file: str, days: int) -> None:
    minutes = candles_of(captures / file)[: days * 1440]
    candles = _candles(minutes[0].symbol)
    for each in minutes:
        candles.on_candle(each)
    for name in ("1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d", "1w"):
        assert _history(candles, name) == _resampled(minutes, name), name
    assert len(_history(candles, "1d")) >= days - 2 and len(_history(candles, "1w")) >= days // 7 - 1


@pytest.mark.parametrize("hours", [pytest.param(8_774, marks=pytest.mark.slow), 1_500])
def test_quarters_of_an_hour_add_up_to_krakens_own_hours(captures: Path, hours: int) -> None:
    quarters = candles_of(captures / "kraken_ohlcv_btcusdt" / "BTC_USDT-15m.feather")[: 4 * hours + 1]
    candles = _candles()
    told = [candle for each in quarters for candle in candles.on_candle(each) if candle.length_ns == HOUR]
    theirs = {each.open_time_ns: each for each in candles_of(captures / KRAKEN_HOURS)}
    # The last quarter of the file is not finished.
    ours = told[:hours]
    assert len(ours) == hours
    different = [
        each
        for each in ours
        for own in [theirs[each.open_time_ns]]
        if (each.open, each.high, each.low, each.close) != (own.open, own.high, own.low, own.close)
    ]
    assert different == []


def test_trades_make_the_same_candles_as_minutes(captures: Path) -> None:
    folder = captures / "kraken_trades_btcusdt_2023-11"
    told = [
        event
        for event in TradesCapture(folder / "BTC_USDT-trades.feather", "trades-feather", SYMBOL).events()
        if isinstance(event, PublicTrade)
    ]
    by_trades, by_minutes = _candles(), _candles()
    by_trades.begin(told[0].exchange_time_ns)
    for each in told:
        for closed in by_trades.on_trade(each):
            if closed.length_ns == MINUTE:
                by_minutes.on_candle(closed)
    minutes = _history(by_trades, "1m")
    assert len(minutes) > 7_000 and sum(not each.volume for each in minutes) > 2_000
    for name in TIMEFRAMES:
        # Minutes say nothing of the hour in which we began; it was not seen whole by trades either.
        assert _history(by_trades, name) == _history(by_minutes, name), name


_steps = st.lists(st.tuples(st.integers(0, 40 * MINUTE), st.integers(1, 50), st.integers(1, 9)), max_size=60)


@given(_steps, st.integers(0, 3 * HOUR))
def test_any_trades_make_the_same_candles_as_their_minutes(steps: list[tuple[int, int, int]], start_ns: int) -> None:
    by_trades, by_minutes = _candles(), _candles()
    by_trades.begin(start_ns)
    time_ns, told = start_ns, []
    for wait, price, quantity in steps:
        time_ns += wait
        told += by_trades.on_trade(trade(time_ns, price, quantity))
    told += by_trades.advance(time_ns + 2 * HOUR)
    minutes = [each for each in told if each.length_ns == MINUTE]
    for each in minutes:
        by_minutes.on_candle(each)
    first = minutes[0].open_time_ns if minutes else 0
    for name in ("1m", "5m", "15m", "30m", "1h", "4h"):
        # Who heard the trades knows that there were none before the first; minutes begin with it.
        ours = [each for each in _history(by_trades, name) if each.open_time_ns >= first]
        assert ours == _resampled(minutes, name) == _history(by_minutes, name)


def test_candles_longer_than_a_timeframe_leave_it_empty() -> None:
    candles = _candles()
    for number in range(30):
        candles.on_candle(candle(number * HOUR, (100, 103, 99, 101), 5, 1, HOUR))
    assert {name: len(_history(candles, name)) for name in TIMEFRAMES} == {
        "1m": 0, "5m": 0, "15m": 0, "30m": 0, "1h": 30, "4h": 7, "12h": 2, "1d": 1, "1w": 0,
    }  # fmt: skip


def _past(time_ns: int, *candles: Candle, unfinished: Candle | None = None) -> PastCandles:
    return PastCandles(SYMBOL, time_ns, time_ns, candles, unfinished)


def test_a_live_session_begins_with_the_exchanges_history_and_goes_on_with_trades() -> None:
    """At 10:30:20 the minutes since 08:00 are told, the open one with what it has so far."""
    candles = _candles(names=("1m", "1h", "4h"))
    now = 10 * HOUR + 30 * MINUTE + 20 * 10**9
    candles.begin(now - 10)
    minutes = [candle(8 * HOUR + n * MINUTE, (100 + n, 110 + n, 90 + n, 101 + n), 10, 2) for n in range(150)]
    tail = candle(10 * HOUR + 30 * MINUTE, (250, 252, 249, 251), 4, 3)
    candles.on_past(_past(now, *minutes, unfinished=tail))
    assert _history(candles, "1m") == minutes
    assert [each.open_time_ns // HOUR for each in _history(candles, "1h")] == [8, 9]
    assert _history(candles, "4h") == []
    candles.on_trade(trade(now - 1, 9_999))  # the exchange's candle has it already
    candles.on_trade(trade(now, 260, 5))
    closed = candles.advance(11 * HOUR)
    assert closed[0] == candle(10 * HOUR + 30 * MINUTE, (250, 260, 249, 260), 9, 4)
    hour = _history(candles, "1h")[-1]
    # 30 minutes of 10, the tail's 4 and the trade's 5; opened by the minute of 10:00, number 120.
    assert hour == candle(10 * HOUR, (220, 260, 210, 260), 309, 64, HOUR)
    assert candles.unfinished["4h"].candle == candle(8 * HOUR, (100, 260, 90, 260), 1509, 304, 4 * HOUR)


def test_the_exchanges_hours_reach_back_further_than_its_minutes() -> None:
    candles = _candles(names=("1m", "1h", "1d"))
    now = 50 * HOUR + 90 * MINUTE
    minutes = [candle(50 * HOUR + n * MINUTE, (100, 101, 99, 100), 1, 1) for n in range(90)]
    hours = [candle(n * HOUR, (50, 60, 40, 55), 7, 3, HOUR) for n in range(51)]
    open_hour = candle(51 * HOUR, (100, 101, 99, 100), 30, 30, HOUR)
    candles.on_past(_past(now, *minutes))
    assert [each.open_time_ns // HOUR for each in _history(candles, "1h")] == [50]
    candles.on_past(_past(now, *hours, unfinished=open_hour))
    assert len(_history(candles, "1h")) == 51
    assert len(_history(candles, "1d")) == 2
    assert candles.unfinished["1d"].candle == candle(2 * DAY, (50, 101, 40, 100), 3 * 7 + 30, 3 * 3 + 30, DAY)


def test_weeks_of_another_beginning_are_not_taken() -> None:
    candles = _candles(names=("1d", "1w"))
    thursdays = [candle(n * 7 * DAY, (100,) * 4, 1, 1, 7 * DAY) for n in range(10)]
    candles.on_past(_past(70 * DAY, *thursdays))
    assert _history(candles, "1w") == []
    candles.on_past(_past(30 * DAY, *(candle(n * DAY, (100,) * 4, 1, 1, DAY) for n in range(30))))
    # Days 4..10, 11..17, 18..24 are the weeks from Monday.
    assert [each.open_time_ns // DAY for each in _history(candles, "1w")] == [4, 11, 18]


def test_a_time_without_sight_is_doubtful_until_the_exchange_tells_it() -> None:
    candles = _candles(names=("1m", "5m"))
    candles.begin(0)
    for number in range(20):
        candles.on_trade(trade(number * MINUTE, 100))
    candles.lose_sight(20 * MINUTE)
    candles.advance(23 * MINUTE)
    candles.see_again(23 * MINUTE)
    candles.advance(25 * MINUTE)
    assert candles.series["1m"].doubtful(100) == 3 and candles.series["5m"].doubtful(100) == 1
    told = [candle(n * MINUTE, (200,) * 4, 2, 2) for n in range(18, 25)]
    candles.on_past(_past(25 * MINUTE, *told))
    assert candles.series["1m"].doubtful(100) == 0 and candles.series["5m"].doubtful(100) == 0
    assert _history(candles, "1m")[-7:] == told
    assert _history(candles, "5m")[-1] == candle(20 * MINUTE, (200,) * 4, 10, 10, 5 * MINUTE)


def test_history_told_again_changes_nothing() -> None:
    candles = _candles(names=("1m", "1h"))
    told = [candle(n * MINUTE, (100 + n, 110 + n, 90 + n, 101 + n), 10, 2) for n in range(150)]
    candles.on_past(_past(150 * MINUTE, *told))
    editions = {name: each.edition for name, each in candles.series.items()}
    before = {name: _history(candles, name) for name in candles.series}
    candles.on_past(_past(150 * MINUTE, *told))
    assert {name: each.edition for name, each in candles.series.items()} == editions
    assert {name: _history(candles, name) for name in candles.series} == before


def test_a_quiet_market_before_its_first_trade_is_not_invented() -> None:
    candles = _candles(names=("1m", "1h"))
    candles.begin(0)
    assert candles.advance(3 * HOUR) == []
    assert candles.on_trade(trade(3 * HOUR + MINUTE, 100)) == []
    closed = candles.advance(4 * HOUR)
    assert [each for each in closed if each.length_ns == HOUR] == [candle(3 * HOUR, (100,) * 4, 1, 1, HOUR)]
    assert _history(candles, "1m")[:2] == [
        candle(3 * HOUR + MINUTE, (100,) * 4, 1, 1),
        flat(3 * HOUR + 2 * MINUTE, 100),
    ]


def test_nothing_is_made_up_of_a_hole_in_recorded_candles() -> None:
    candles = _candles(names=("1m", "5m", "1h"))
    for minute in (*range(62), *range(68, 80)):  # 62 to 67 are missing
        candles.on_candle(candle(minute * MINUTE, (100 + minute,) * 4, 1, 1))
    assert [each.open_time_ns // MINUTE for each in _history(candles, "1m")] == list(range(68, 80))
    # Two of five minutes of the one, and two of the next: told as far as they are known, in doubt.
    fives = _history(candles, "5m")
    assert [each.open_time_ns // MINUTE for each in fives[-4:]] == [60, 65, 70, 75]
    assert [(each.open, each.close, each.volume) for each in fives[-4:-2]] == [(160, 161, 2), (168, 169, 2)]
    assert candles.series["5m"].doubtful(16) == 2
    assert candles.series["1h"].doubtful(1) == 0  # the hour under way is another matter


def test_a_hole_as_long_as_a_candle_forgets_what_was_before() -> None:
    candles = _candles(names=("1m", "5m"))
    for minute in (*range(10), *range(21, 26)):  # 10 to 20: the five minutes from 10 to 14 are missing whole
        candles.on_candle(candle(minute * MINUTE, (100,) * 4, 1, 1))
    assert [each.open_time_ns // MINUTE for each in _history(candles, "5m")] == [20]
