from __future__ import annotations

import pytest

from triplegain.domain.candle_time import candle_open_ns, timeframe_ns
from triplegain.domain.clock import MINUTE_NS, WEEK_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.span import Span, merged, whole_candles, within, without


def test_spans_that_touch_become_one_and_empty_ones_nothing() -> None:
    assert merged([Span(5, 7), Span(0, 3), Span(3, 4), Span(6, 9), Span(2, 2)]) == [Span(0, 4), Span(5, 9)]


def test_what_is_taken_is_gone() -> None:
    assert without([Span(0, 10)], [Span(2, 3), Span(5, 7), Span(9, 20)]) == [Span(0, 2), Span(3, 5), Span(7, 9)]
    assert without([Span(0, 10)], [Span(0, 10)]) == []
    assert without([Span(4, 6)], [Span(0, 1), Span(8, 9)]) == [Span(4, 6)]


def test_limits_cut_both_ends() -> None:
    assert within([Span(0, 4), Span(6, 9)], Span(2, 7)) == [Span(2, 4), Span(6, 7)]


def test_only_whole_candles_stay() -> None:
    assert whole_candles([Span(5, 31), Span(41, 49)], 10) == [Span(10, 30)]


def test_a_week_begins_on_monday_and_everything_else_at_a_multiple_since_1970() -> None:
    # 2024-01-01 was a Monday
    monday = 1_704_067_200 * 10**9
    assert candle_open_ns(monday, WEEK_NS) == monday
    assert candle_open_ns(monday - 1, WEEK_NS) == monday - WEEK_NS
    assert candle_open_ns(MINUTE_NS + 1, MINUTE_NS) == MINUTE_NS
    with pytest.raises(InvalidValueError, match="1m, 5m"):
        timeframe_ns("2m")
