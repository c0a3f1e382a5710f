from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.market.timeframes.market_steps import MINUTE, SYMBOL, candle

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle
from triplegain.market.candles.candle_history import CandleHistory
from triplegain.market.candles.timeframe import TIMEFRAMES

KEEP = 10


def _minute(number: int) -> Candle:
    price = 100 + number % 13
    return candle(number * MINUTE, (price, price + 2, price - 1, price + 1), 10**20 + number, number)


def _filled(first: int, last: int) -> CandleHistory:
    history = CandleHistory(SYMBOL, TIMEFRAMES["1m"], KEEP)
    for number in range(first, last + 1):
        history.append(_minute(number))
    return history


def test_candles_come_out_as_they_went_in() -> None:
    history = _filled(3, 9)
    assert list(history) == [_minute(number) for number in range(3, 10)]
    assert history.last(2) == [_minute(8), _minute(9)]
    assert (history.first_open_ns, history.end_ns) == (3 * MINUTE, 10 * MINUTE)
    columns = history.columns(history.end_ns)
    assert columns.close.tolist() == [each.close for each in history]
    assert columns.volume.tolist() == [float(each.volume) for each in history]
    assert np.array_equal(columns.open_time_ns, [each.open_time_ns for each in history])
    assert history.window(3) == (107, 111, 106, 3 * 10**20 + 7 + 8 + 9)


@given(st.integers(0, 200), st.integers(0, 200))
def test_what_is_kept_depends_on_the_time_and_not_on_when_we_began(first: int, more: int) -> None:
    """Blocks of ten minutes: at minute 137 the block is 130..139, and everything from 120 on is kept."""
    last = first + more
    history = _filled(first, last)
    from_minute = max(first, (last // KEEP - 1) * KEEP)
    assert list(history) == [_minute(number) for number in range(from_minute, last + 1)]
    assert len(history) <= 2 * KEEP


def test_a_missing_candle_is_an_error_of_the_caller() -> None:
    with pytest.raises(InvalidValueError, match="a candle is missing"):
        _filled(1, 3).append(_minute(5))


def test_quiet_candles_are_counted_from_the_last_one_back() -> None:
    history = _filled(1, 3)
    assert history.quiet_candles() == 0
    for number in (4, 5):
        history.append(candle(number * MINUTE, (100,) * 4, 0))
    assert history.quiet_candles() == 2
