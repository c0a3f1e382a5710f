from __future__ import annotations

from pathlib import Path

import pytest
from tests.market.indicators.recorded import BTC_USDT, candles_of, columns_of
from tests.market.timeframes.market_steps import DAY, MINUTE, SYMBOL, candle, flat

from triplegain.domain.market import Candle
from triplegain.market.candles.candle_series import CandleSeries
from triplegain.market.candles.timeframe import TIMEFRAMES
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.suite import IndicatorSuite

SUITE = IndicatorSuite(IndicatorSettings())


def _series(keep: int = 256) -> CandleSeries:
    return CandleSeries(SYMBOL, TIMEFRAMES["1m"], keep, SUITE)


def _minute(number: int, price: int = 100) -> Candle:
    return candle(number * MINUTE, (price, price + 2, price - 1, price + 1), 5, 1)


@pytest.mark.parametrize("asked_every", [1, 7, 60, 500])
def test_the_reading_is_the_same_however_often_one_asks(captures: Path, asked_every: int) -> None:
    candles = candles_of(captures / BTC_USDT)[:2000]
    series = _series()
    for number, each in enumerate(candles, 1):
        series.append(each)
        if number % asked_every == 0:
            series.reading()
    kept = list(series.history)
    assert 256 <= len(kept) < 512
    assert series.reading() == SUITE.open(columns_of(kept)).reading()


def test_each_indicator_is_the_same_in_whatever_order_and_for_whichever_candle_one_asks(captures: Path) -> None:
    """One name at a time, at the last candle and at one before, forwards, backwards and after a pause."""
    candles = candles_of(captures / BTC_USDT)[:900]
    asked, told = _series(), 0
    for number, each in enumerate(candles, 1):
        asked.append(each)
        name, back = SUITE.names[number * 7 % len(SUITE.names)], number % 5
        if number < 300 or number % 60 > 20:
            continue
        kept = list(asked.history)
        end = kept[: len(kept) - back]
        found = asked.reading((name,), end[-1].close_time_ns)
        assert found == {name: SUITE.open(columns_of(end)).reading()[name]}
        told += found[name] is not None
    assert told > 150


def test_what_is_to_be_worked_out_of_candles_is_asked_for_before_they_go() -> None:
    """Blocks of 256 minutes: with the first of the third those of the first are forgotten."""
    series = _series()
    heard: list[int] = []
    series.before_change = lambda: heard.append(len(series.history))
    for number in range(513):
        series.append(_minute(number))
    assert heard[-1] == 512 and len(series.history) == 257
    heard.clear()
    series.replace([_minute(300, 200)])
    assert heard[0] == 257
    series.append(candle(9 * DAY, (100,) * 4, 1))
    assert heard[-1] == 257 and len(series.history) == 1


@pytest.mark.parametrize("away", [1, 100, 700])
def test_a_series_begun_later_agrees_as_soon_as_it_has_the_candles_that_count(captures: Path, away: int) -> None:
    candles = candles_of(captures / BTC_USDT)[:3000]
    whole, later = _series(), _series()
    for each in candles:
        whole.append(each)
    for each in candles[-512 - away :]:
        later.append(each)
    assert later.reading() == whole.reading()


def test_without_candles_nothing_is_known() -> None:
    assert set(_series().reading().values()) == {None}


def test_missing_candles_are_flat_and_a_hole_forgets_what_was_before() -> None:
    series = _series()
    series.append(_minute(0))
    series.append(_minute(3))
    assert list(series.history) == [_minute(0), flat(MINUTE, 101), flat(2 * MINUTE, 101), _minute(3)]
    edition = series.edition
    beyond = candle(2 * DAY, (100,) * 4, 1)
    series.append(beyond)
    assert (list(series.history), series.edition) == ([beyond], edition + 1)


def test_the_exchanges_own_candles_replace_ours_for_the_same_time_only() -> None:
    series = _series()
    for number in range(6):
        series.append(_minute(number))
    before = series.reading()
    series.replace([_minute(2, 200), _minute(3, 200)])
    assert [each.open for each in series.history] == [100, 100, 200, 200, 100, 100]
    assert series.reading() != before
    edition = series.edition
    series.replace([_minute(2, 200)])
    assert series.edition == edition, "nothing new was told"


def test_older_candles_go_in_front() -> None:
    series = _series()
    series.append(_minute(5))
    series.replace([_minute(number) for number in range(2, 5)])
    assert list(series.history) == [_minute(number) for number in range(2, 6)]


def test_doubtful_candles_are_those_that_overlap_a_time_without_sight() -> None:
    series = _series()
    for number in range(10):
        series.append(_minute(number))
    series.lose_sight(3 * MINUTE + 30)
    assert series.doubtful(10) == 7, "it has not ended: 3 to 9"
    series.see_again(5 * MINUTE)
    assert (series.doubtful(10), series.doubtful(6), series.doubtful(5)) == (2, 1, 0)
    series.replace([_minute(4)])
    assert series.doubtful(10) == 1, "minute 4 is known now, 3 is not"
    series.replace([_minute(3)])
    assert (series.doubtful(10), series.doubts) == (0, [])
