"""Choppiness: how much of the way the market made led nowhere. 100 is sideways, 0 one straight move."""

from __future__ import annotations

import math

import numpy as np
import talib

from triplegain.market.indicators.columns import Array, Bar, CandleColumns
from triplegain.market.indicators.indicator import Indicator, Stream, Unit, filled
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.talib_stream import Handle


def choppiness(settings: IndicatorSettings) -> Indicator:
    """100 log10(sum of true ranges / (highest high - lowest low)) / log10(period). Unknown where nothing moved."""
    period = settings.choppiness
    scale = 100.0 / math.log10(period)

    def table(columns: CandleColumns) -> tuple[Array, ...]:
        if len(columns) <= period:
            return (filled(len(columns)),)
        way = talib.SUM(talib.TRANGE(columns.high, columns.low, columns.close), period)
        span = talib.MAX(columns.high, period) - talib.MIN(columns.low, period)
        share = filled(len(columns))
        np.divide(way, span, out=share, where=span > 0)
        return (talib.LOG10(share) * scale,)

    def opened(columns: CandleColumns) -> tuple[Stream, tuple[float, ...]]:
        stream = _ChoppinessStream(columns, period, scale)
        return stream, stream.values()

    return Indicator(("choppiness",), (Unit.NUMBER,), period + 1, table, opened)


class _ChoppinessStream:
    def __init__(self, columns: CandleColumns, period: int, scale: float) -> None:
        self._scale = scale
        ranges = talib.TRANGE(columns.high, columns.low, columns.close) if len(columns) > 1 else filled(1)
        self._way = Handle("SUM", (period,), (ranges,), period)
        self._high = Handle("MAX", (period,), (columns.high,), period)
        self._low = Handle("MIN", (period,), (columns.low,), period)
        self._close = float(columns.close[-1])

    def update(self, bar: Bar) -> tuple[float, ...]:
        self._way.update(max(bar.high, self._close) - min(bar.low, self._close))
        self._high.update(bar.high)
        self._low.update(bar.low)
        self._close = bar.close
        return self.values()

    def values(self) -> tuple[float]:
        span = self._high.values[0] - self._low.values[0]
        way = self._way.values[0]
        # Not a number compares as false.
        return (math.log10(way / span) * self._scale if span > 0 and way > 0 else math.nan,)
