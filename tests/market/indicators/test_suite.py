"""All indicators: against an independent oracle and TA-Lib on recorded crashes, and begun late against one by one."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.market.indicators import oracle
from tests.market.indicators.recorded import (
    BTC_USDT,
    HOUR_NS,
    KRAKEN_HOURS,
    MINUTE_NS,
    XRP_BTC,
    XRP_USDT,
    between,
    candles_of,
    columns_of,
)

from triplegain.domain.market import Candle
from triplegain.market.indicators.indicator import Array
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.suite import IndicatorSuite

SUITE = IndicatorSuite(IndicatorSettings())

#: 2021-05-19 with the day before; the crash of 2020-03-12 with 200 hours around it.
CRASHES = [
    (BTC_USDT, "2021-05-18 12:00:00", "2021-05-20 00:00:00"),
    (XRP_USDT, "2021-05-18 12:00:00", "2021-05-20 00:00:00"),
    (XRP_BTC, "2021-05-18 12:00:00", "2021-05-20 00:00:00"),
    (KRAKEN_HOURS, "2020-02-01 00:00:00", "2020-04-01 00:00:00"),
]
#: TA-Lib counts the first movements of the ADX differently from Wilder's book; 1/14 a candle makes that go away.
_SAME_AFTER = {"adx": 400}


@pytest.fixture(
    params=[pytest.param(crash, marks=pytest.mark.slow) if crash[0] == XRP_USDT else crash for crash in CRASHES],
    ids=[f"{Path(file).stem} {start[:10]}" for file, start, _ in CRASHES],
)
def crash(request: pytest.FixtureRequest, captures: Path) -> tuple[Candle, ...]:
    file, start, end = request.param
    return tuple(between(candles_of(captures / file), start, end))


@lru_cache(maxsize=len(CRASHES))
def _table(candles: tuple[Candle, ...]) -> dict[str, Array]:
    """Every indicator at every candle, NaN where there is none; candle by candle from the first."""
    stream = SUITE.open(columns_of(candles[:1]))
    readings = [stream.reading()]
    for bar in columns_of(candles).bars()[1:]:
        stream.update(bar)
        readings.append(stream.reading())
    return {name: np.array([each[name] for each in readings], dtype=np.float64) for name in SUITE.names}


def _rows(candles: Sequence[Candle]) -> list[oracle.Row]:
    return [
        (each.open_time_ns, float(each.high), float(each.low), float(each.close), float(each.volume))
        for each in candles
    ]


def _is_close(ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-6)


def test_every_indicator_is_what_its_definition_says(crash: tuple[Candle, ...]) -> None:
    table = _table(crash)
    expected = oracle.everything(_rows(crash), crash[0].length_ns)
    assert set(expected) == set(SUITE.names)
    for name, values in expected.items():
        start = _SAME_AFTER.get(name, 0)
        ours = [None if math.isnan(value) else value for value in table[name].tolist()]
        assert [value is None for value in ours] == [value is None for value in values], name
        both = zip(ours[start:], values[start:], strict=True)
        assert [(a, b) for a, b in both if a is not None and b is not None and not _is_close(a, b)] == [], name


def test_every_indicator_of_talib_is_what_talib_says(crash: tuple[Candle, ...]) -> None:
    columns = columns_of(crash)
    high, low, close, volume = columns.high, columns.low, columns.close, columns.volume
    talibs: dict[str, Any] = {f"ema_{n}": talib.EMA(close, n) for n in (9, 21, 50, 200)}
    talibs |= {f"sma_{n}": talib.SMA(close, n) for n in (20, 50, 200)}
    talibs["rsi"] = talib.RSI(close, 14)
    talibs["macd"], talibs["macd_signal"], talibs["macd_histogram"] = talib.MACD(close, 12, 26, 9)
    talibs["atr"], talibs["adx"] = talib.ATR(high, low, close, 14), talib.ADX(high, low, close, 14)
    names = ("bollinger_upper", "bollinger_middle", "bollinger_lower")
    talibs |= dict(zip(names, talib.BBANDS(close, 20, 2.0, 2.0), strict=True))
    names = ("keltner_upper", "keltner_middle", "keltner_lower")
    talibs |= dict(zip(names, talib.KC(high, low, close, 20, 10, 2.0), strict=True))
    talibs["supertrend"] = talib.SUPERTREND(high, low, close, 10, 3.0)[0]
    talibs["roc_pct"], talibs["obv"] = talib.ROC(close, 10), talib.OBV(close, volume)
    table = _table(crash)
    for name, values in talibs.items():
        assert np.array_equal(table[name], values, equal_nan=True), name
    # %K of the field is TA-Lib's %D: the mean of the raw place in the range.
    ours, theirs = table["stochastic_rsi_k"], talib.STOCHRSI(close, 14, 14, 3)[1]
    known = ~np.isnan(ours)
    assert np.allclose(ours[known], theirs[known], atol=1e-9)


@pytest.mark.parametrize("stop", [1, 2, 9, 14, 15, 20, 28, 33, 34, 199, 200, 201, 1000])
def test_a_stream_opened_anew_on_the_stored_candles_goes_on_with_the_same_bits(stop: int, captures: Path) -> None:
    candles = between(candles_of(captures / XRP_BTC), "2021-05-19 00:00:00", "2021-05-20 00:00:00")
    whole = SUITE.open(columns_of(candles[:1]))
    columns = columns_of(candles)
    bars = columns.bars()
    for bar in bars[1:stop]:
        whole.update(bar)
    anew = SUITE.open(columns_of(candles[:stop]))
    assert anew.reading() == whole.reading()
    for bar in bars[stop : stop + 300]:
        whole.update(bar)
        anew.update(bar)
        assert anew.reading() == whole.reading()


def test_how_much_history_makes_averages_forget_where_they_began(captures: Path) -> None:
    candles = between(candles_of(captures / BTC_USDT), "2021-05-16 00:00:00", "2021-05-19 13:00:00")
    exact = SUITE.open(columns_of(candles)).reading()

    def off_by(name: str, count: int) -> float:
        shorter, longer = SUITE.open(columns_of(candles[-count:])).reading()[name], exact[name]
        assert shorter is not None and longer is not None
        return abs(shorter / longer - 1)

    # (1 - 2/201)^n of the difference to the mean it began with is left: for EMA 200 after 720 and 2,048 candles.
    assert off_by("ema_200", 720) < 1e-3
    assert off_by("ema_200", 2048) < 1e-8
    assert off_by("rsi", 720) < 1e-9
    assert off_by("atr", 720) < 1e-9


def test_a_thousand_candles_take_less_than_fifty_milliseconds(captures: Path) -> None:
    columns = columns_of(candles_of(captures / BTC_USDT)[:1000])
    began = time.process_time()
    SUITE.open(columns)
    assert time.process_time() - began < 0.05


def _row(table: dict[str, Array], row: int) -> dict[str, float | None]:
    return {name: None if math.isnan(values[row]) else float(values[row]) for name, values in table.items()}


def _candle(number: int, length_ns: int, prices: tuple[int, int, int, int], volume: int) -> Candle:
    high, low = max(prices), min(prices)
    return Candle("XRP/BTC", number * length_ns, length_ns, prices[0], high, low, prices[-1], volume)


_prices = st.one_of(st.integers(1, 3), st.integers(1, 10_000), st.integers(1, 10**10))
_volumes = st.one_of(st.just(0), st.integers(0, 10), st.integers(0, 10**20))
_still = st.tuples(st.just((7, 7, 7, 7)), st.just(0))
_moving = st.tuples(st.tuples(_prices, _prices, _prices, _prices), _volumes)


def _markets() -> st.SearchStrategy[list[tuple[tuple[int, int, int, int], int]]]:
    """Any market, with stretches in which nothing happens."""
    stretch = st.one_of(
        st.lists(_moving, max_size=25), st.tuples(_still, st.integers(1, 40)).map(lambda each: [each[0]] * each[1])
    )
    return st.lists(stretch, min_size=1, max_size=8).map(lambda parts: [each for part in parts for each in part])


@given(_markets(), st.sampled_from([MINUTE_NS, HOUR_NS, 24 * HOUR_NS, 7 * 24 * HOUR_NS]), st.integers(1, 60))
@settings(max_examples=150, deadline=None)
def test_any_market_gives_finite_numbers_or_nothing_and_the_same_both_ways(
    market: list[tuple[tuple[int, int, int, int], int]], length_ns: int, stop: int
) -> None:
    candles = tuple(_candle(number, length_ns, prices, volume) for number, (prices, volume) in enumerate(market))
    if not candles:
        return
    columns = columns_of(candles)
    table = _table(candles)
    assert all(not np.isinf(values).any() and len(values) == len(candles) for values in table.values())
    stream = SUITE.open(columns.since(0) if len(candles) <= stop else columns_of(candles[:stop]))
    for row, bar in enumerate(columns.bars()):
        if row >= stop:
            stream.update(bar)
            assert stream.reading() == _row(table, row)
    assert stream.reading() == _row(table, len(candles) - 1) == SUITE.open(columns).reading()
    for name in ("rsi", "stochastic_rsi_k", "stochastic_rsi_d", "adx"):
        known = table[name][~np.isnan(table[name])]
        assert ((known >= 0) & (known <= 100)).all(), name


@pytest.mark.parametrize("name", SUITE.names)
def test_nothing_is_known_before_there_are_enough_candles(name: str) -> None:
    """Of a market that moves: each value appears with the very candle its indicator says, and stays."""
    candles = tuple(
        _candle(n, MINUTE_NS, (100 + n % 7, 103 + n % 5, 98 - n % 3, 100 + n % 9), 5 + n % 4) for n in range(260)
    )
    values = _table(candles)[name]
    first = int(np.argmax(~np.isnan(values)))
    assert first + 1 == _CANDLES_OF[name]
    assert not np.isnan(values[first:]).any()


_CANDLES_OF = {
    **{f"ema_{n}": n for n in (9, 21, 50, 200)},
    **{f"sma_{n}": n for n in (20, 50, 200)},
    "rsi": 15,
    "stochastic_rsi_k": 30,  # 14 changes, a range of 14 of them, a mean of 3: 15 + 13 + 2
    "stochastic_rsi_d": 32,
    **dict.fromkeys(("macd", "macd_signal", "macd_histogram"), 34),  # 26 + 9 - 1
    "atr": 15,
    "adx": 28,
    **{f"bollinger_{part}": 20 for part in ("upper", "middle", "lower", "width_pct", "position")},
    **{f"keltner_{part}": 20 for part in ("upper", "middle", "lower")},
    "squeeze": 20,
    "choppiness": 15,
    "supertrend": 11,
    "supertrend_direction": 11,
    "roc_pct": 11,
    "vwap": 1,
    "obv": 1,
    "volume_ratio": 20,
}


def test_a_market_that_stands_still_is_neutral_or_unknown_and_never_extreme() -> None:
    still = SUITE.open(columns_of([_candle(n, MINUTE_NS, (500,) * 4, 0) for n in range(300)])).reading()
    assert {name for name, value in still.items() if value is None} == {"squeeze", "choppiness", "vwap", "volume_ratio"}
    assert (still["rsi"], still["stochastic_rsi_k"], still["stochastic_rsi_d"]) == (50, 50, 50)
    assert (still["macd_histogram"], still["atr"], still["adx"], still["roc_pct"]) == (0, 0, 0, 0)
    assert (still["bollinger_width_pct"], still["bollinger_position"]) == (0, 0.5)


def test_a_market_that_has_come_to_rest_is_neutral_though_talib_says_100() -> None:
    prices = [500] * 20 + [501] * 14 + [501]
    candles = tuple(_candle(n, MINUTE_NS, (price,) * 4, 0) for n, price in enumerate(prices))
    assert talib.RSI(columns_of(candles).close, 14)[-1] == 100
    # The 14 changes up to the one before last hold the step of candle 20, those of the last do not.
    assert _table(candles)["rsi"][-2:].tolist() == [100, 50]


def test_a_cheap_pair_keeps_its_digits(captures: Path) -> None:
    candles = between(candles_of(captures / XRP_BTC), "2021-05-19 11:00:00", "2021-05-19 14:00:00")
    reading = SUITE.open(columns_of(candles)).reading()
    for name in ("atr", "macd", "macd_signal", "macd_histogram"):
        value = reading[name]
        # A tick is 0.00000001 BTC: six decimals would show 0 for all of them.
        assert value is not None and 0.05 < abs(value) < 100, name
