"""Relative strength after Wilder, and where it stands in its own recent range (stochastic RSI).

Where nothing moves there is no strength: TA-Lib's average keeps 0 or 100 through a market that stands still, here it is
50 once no close has changed within the period.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import talib

from triplegain.market.indicators.indicator import Array, Bar, CandleColumns, Handle, Indicator, Unit, filled
from triplegain.market.indicators.settings import IndicatorSettings

NEUTRAL = 50.0
#: A range of the RSI below this is rounding, not movement.
_NO_RANGE = 1e-9
_WHOLE = 100.0


def relative_strength(settings: IndicatorSettings) -> Indicator:
    """RSI, %K and %D; all 0..100."""
    names = ("rsi", "stochastic_rsi_k", "stochastic_rsi_d")
    range_and_means = settings.stochastic_rsi + settings.stochastic_k + settings.stochastic_d - 2
    needed = settings.rsi + max(1, range_and_means)
    return Indicator(names, (Unit.NUMBER,) * 3, needed, lambda columns: _StrengthStream(columns, settings))


def _wilder(columns: CandleColumns, period: int) -> tuple[Array, Array]:
    """Wilder's RSI, 50 until the first close that differs; and for how many candles the close has not changed."""
    close = columns.close
    rows = np.arange(len(close))
    last_change = np.maximum.accumulate(np.where(np.diff(close, prepend=close[:1]) != 0, rows, -1))
    rsi: Array = talib.RSI(close, period) if len(close) > period else filled(len(close))
    rsi = np.where((last_change < 0) & ~np.isnan(rsi), NEUTRAL, rsi)
    standing = (rows - np.maximum(last_change, 0)).astype(np.float64)
    return rsi, standing


def _place(rsi: Array, window: int) -> Array:
    """Percent of the way from the lowest to the highest of the window; 50 where they are the same."""
    known = int(np.isnan(rsi).sum())
    place = filled(len(rsi))
    if len(rsi) - known < window:
        return place
    high, low = talib.MAX(rsi, window), talib.MIN(rsi, window)
    spread = high - low
    moved = spread > _NO_RANGE
    place = np.where(np.isnan(spread), np.nan, NEUTRAL)
    np.divide((rsi - low) * _WHOLE, spread, out=place, where=moved)
    return np.minimum(place, _WHOLE)


def _mean(values: Array, period: int) -> Array:
    """Simple mean, each summed anew and exactly: a running sum would leave 0..100 by its rounding."""
    mean = filled(len(values))
    if len(values) >= period:
        windows = np.lib.stride_tricks.sliding_window_view(values, period).tolist()
        mean[period - 1 :] = [math.fsum(window) / period for window in windows]
    return mean


class _StrengthStream:
    """It begins with a whole history, and goes on one close at a time."""

    def __init__(self, columns: CandleColumns, settings: IndicatorSettings) -> None:
        self._period, window = settings.rsi, settings.stochastic_rsi
        wilder, standing = _wilder(columns, self._period)
        place = _place(wilder, window)
        k = _mean(place, settings.stochastic_k)
        self._rsi = Handle("RSI", (self._period,), (columns.close,), self._period + 1)
        self._high = Handle("MAX", (window,), (wilder,), window)
        self._low = Handle("MIN", (window,), (wilder,), window)
        self._k = _Mean(place, settings.stochastic_k)
        self._d = _Mean(k, settings.stochastic_d)
        self._close = float(columns.close[-1])
        self._standing = int(standing[-1])
        self._moved = bool((columns.close != columns.close[0]).any())
        self.values: tuple[float, ...] = (self._shown(float(wilder[-1])), self._k.value, self._d.value)

    def update(self, bar: Bar) -> tuple[float, ...]:
        if bar.close == self._close:
            self._standing += 1
        else:
            self._standing, self._moved, self._close = 0, True, bar.close
        (wilder,) = self._rsi.update(bar.close)
        if not self._moved and not math.isnan(wilder):
            wilder = NEUTRAL
        (high,), (low,) = self._high.update(wilder), self._low.update(wilder)
        spread = high - low
        place = math.nan if math.isnan(spread) else NEUTRAL
        if spread > _NO_RANGE:
            place = min((wilder - low) * _WHOLE / spread, _WHOLE)
        k = self._k.update(place)
        self.values = self._shown(wilder), k, self._d.update(k)
        return self.values

    def _shown(self, wilder: float) -> float:
        return NEUTRAL if self._standing >= self._period and not math.isnan(wilder) else wilder


class _Mean:
    """The same, one value at a time."""

    def __init__(self, values: Array, period: int) -> None:
        self._values = deque(values[-period:].tolist(), period)
        self._period = period

    @property
    def value(self) -> float:
        return math.fsum(self._values) / self._period if len(self._values) == self._period else math.nan

    def update(self, value: float) -> float:
        self._values.append(value)
        return self.value
