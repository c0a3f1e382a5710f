"""Bollinger bands, how wide they are and where the close stands between them."""

from __future__ import annotations

import math

import numpy as np
import talib

from triplegain.market.indicators.columns import Array, Bar, CandleColumns
from triplegain.market.indicators.indicator import Indicator, Stream, Unit
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.talib_stream import Handle

_NAMES = ("upper", "middle", "lower", "width_pct", "position")
#: Bands without width lie on the close itself: it stands in their middle.
_MIDDLE = 0.5


def bollinger(settings: IndicatorSettings) -> Indicator:
    """Mean and population deviation. Width is percent of the middle; position 0 is the lower band, 1 the upper."""
    period, deviations = settings.bollinger, settings.bollinger_deviations

    def table(columns: CandleColumns) -> tuple[Array, ...]:
        upper, middle, lower = talib.BBANDS(columns.close, period, deviations, deviations)
        width = upper - lower
        position = np.full(len(width), _MIDDLE)
        np.divide(columns.close - lower, width, out=position, where=width != 0.0)
        return upper, middle, lower, width / middle * 100.0, position

    def opened(columns: CandleColumns) -> tuple[Stream, tuple[float, ...]]:
        handle = Handle("BBANDS", (period, deviations, deviations), (columns.close,), period)
        return _BollingerStream(handle), _values(float(columns.close[-1]), handle.values)

    names = tuple(f"bollinger_{name}" for name in _NAMES)
    units = (Unit.PRICE, Unit.PRICE, Unit.PRICE, Unit.NUMBER, Unit.NUMBER)
    return Indicator(names, units, period, table, opened)


class _BollingerStream:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def update(self, bar: Bar) -> tuple[float, ...]:
        return _values(bar.close, self._handle.update(bar.close))


def _values(close: float, bands: tuple[float, ...]) -> tuple[float, ...]:
    if len(bands) < 3:
        return (math.nan,) * 5
    upper, middle, lower = bands
    width = upper - lower
    position = (close - lower) / width if width else _MIDDLE
    return upper, middle, lower, width / middle * 100.0, position
