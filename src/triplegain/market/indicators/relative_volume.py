"""Volume of a candle beside the mean of the last ones, itself among them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import numpy as np

from triplegain.market.indicators.columns import Array, Bar, CandleColumns
from triplegain.market.indicators.indicator import Indicator, Stream, Unit, filled
from triplegain.market.indicators.settings import IndicatorSettings


def relative_volume(settings: IndicatorSettings) -> Indicator:
    """1 is as much as usual; unknown where nothing was traded at all."""
    period = settings.volume

    def table(columns: CandleColumns) -> tuple[Array, ...]:
        ratio = filled(len(columns))
        if len(columns) >= period:
            windows = np.lib.stride_tricks.sliding_window_view(columns.volume, period).tolist()
            ratio[period - 1 :] = [_ratio(window[-1], window, period) for window in windows]
        return (ratio,)

    def opened(columns: CandleColumns) -> tuple[Stream, tuple[float, ...]]:
        window = deque(columns.volume[-period:].tolist(), period)
        stream = _VolumeStream(window, period)
        return stream, stream.values()

    return Indicator(("volume_ratio",), (Unit.NUMBER,), period, table, opened)


class _VolumeStream:
    def __init__(self, window: deque[float], period: int) -> None:
        self._window = window
        self._period = period

    def update(self, bar: Bar) -> tuple[float, ...]:
        self._window.append(bar.volume)
        return self.values()

    def values(self) -> tuple[float]:
        window = self._window
        return (_ratio(window[-1], window, self._period) if len(window) == self._period else math.nan,)


def _ratio(volume: float, window: Iterable[float], period: int) -> float:
    # Summed anew each time: a running sum would keep the rounding of what has left it.
    total = math.fsum(window)
    return volume * period / total if total > 0 else math.nan
