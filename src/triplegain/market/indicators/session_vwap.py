"""Volume-weighted average price since 00:00 UTC."""

from __future__ import annotations

import math

import numpy as np

from triplegain.domain.clock import SECOND_NS
from triplegain.market.indicators.columns import Array, Bar, CandleColumns
from triplegain.market.indicators.indicator import Indicator, Stream, Unit

DAY_NS = 86_400 * SECOND_NS


def session_vwap() -> Indicator:
    """Typical price (high + low + close) / 3 weighted by volume. Unknown on a day whose first candle is not there,

    while nothing has been traded since midnight, and on candles longer than a day.
    """

    def table(columns: CandleColumns) -> tuple[Array, ...]:
        stream = _VwapStream(columns.length_ns)
        return (np.array([stream.update(bar)[0] for bar in columns.bars()], dtype=np.float64),)

    def opened(columns: CandleColumns) -> tuple[Stream, tuple[float, ...]]:
        stream = _VwapStream(columns.length_ns)
        today = int(columns.open_time_ns[-1]) // DAY_NS * DAY_NS
        first = int(np.searchsorted(columns.open_time_ns, today))
        values: tuple[float, ...] = (math.nan,)
        for bar in columns.since(first).bars():
            values = stream.update(bar)
        return stream, values

    return Indicator(("vwap",), (Unit.PRICE,), 1, table, opened)


class _VwapStream:
    def __init__(self, length_ns: int) -> None:
        self._is_short = length_ns <= DAY_NS and DAY_NS % length_ns == 0
        self._day = -1
        self._is_whole = False
        self._value = 0.0
        self._volume = 0.0

    def update(self, bar: Bar) -> tuple[float, ...]:
        day, into_day = divmod(bar.open_time_ns, DAY_NS)
        if day != self._day:
            self._day, self._is_whole = day, self._is_short and into_day == 0
            self._value = self._volume = 0.0
        self._value += (bar.high + bar.low + bar.close) / 3.0 * bar.volume
        self._volume += bar.volume
        return (self._value / self._volume if self._is_whole and self._volume > 0 else math.nan,)
