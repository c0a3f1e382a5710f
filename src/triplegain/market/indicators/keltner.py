"""Keltner channel, and whether the Bollinger bands lie inside a narrower one (the squeeze)."""

from __future__ import annotations

import math

import numpy as np
import talib

from triplegain.market.indicators.columns import Array, Bar, CandleColumns
from triplegain.market.indicators.indicator import Indicator, Stream, Unit
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.talib_stream import Handle, talib_indicator

_INPUTS = ("high", "low", "close")


def keltner(settings: IndicatorSettings) -> Indicator:
    """EMA of the typical price (high + low + close) / 3, a multiple of the ATR above and below."""
    names = ("keltner_upper", "keltner_middle", "keltner_lower")
    parameters = (settings.keltner, settings.keltner_atr, settings.keltner_multiple)
    return talib_indicator(names, (Unit.PRICE,) * 3, _keltner_candles(settings), "KC", _INPUTS, *parameters)


def squeeze(settings: IndicatorSettings) -> Indicator:
    """1 where both Bollinger bands lie inside the channel, else 0; unknown where neither has any width."""
    bands = (settings.bollinger, settings.bollinger_deviations, settings.bollinger_deviations)
    channel = (settings.keltner, settings.keltner_atr, settings.squeeze_multiple)
    channel_candles = _keltner_candles(settings)

    def table(columns: CandleColumns) -> tuple[Array, ...]:
        upper, _, lower = talib.BBANDS(columns.close, *bands)
        above, _, below = talib.KC(columns.high, columns.low, columns.close, *channel)
        known = (upper > lower) | (above > below)
        known &= ~np.isnan(upper) & ~np.isnan(above)
        inside = (upper < above) & (lower > below)
        return (np.where(known, inside.astype(np.float64), np.nan),)

    def opened(columns: CandleColumns) -> tuple[Stream, tuple[float, ...]]:
        stream = _SqueezeStream(
            Handle("BBANDS", bands, (columns.close,), settings.bollinger),
            Handle("KC", channel, (columns.high, columns.low, columns.close), channel_candles),
        )
        return stream, stream.values()

    needed = max(settings.bollinger, channel_candles)
    return Indicator(("squeeze",), (Unit.FLAG,), needed, table, opened)


def _keltner_candles(settings: IndicatorSettings) -> int:
    return max(settings.keltner, settings.keltner_atr + 1)


class _SqueezeStream:
    def __init__(self, bands: Handle, channel: Handle) -> None:
        self._bands = bands
        self._channel = channel

    def update(self, bar: Bar) -> tuple[float, ...]:
        self._bands.update(bar.close)
        self._channel.update(bar.high, bar.low, bar.close)
        return self.values()

    def values(self) -> tuple[float]:
        bands, channel = self._bands.values, self._channel.values
        if len(bands) < 3 or len(channel) < 3:
            return (math.nan,)
        (upper, _, lower), (above, _, below) = bands, channel
        if not (upper > lower or above > below):
            return (math.nan,)
        return (1.0 if upper < above and lower > below else 0.0,)
