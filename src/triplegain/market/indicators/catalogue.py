"""All indicators there are, in the order in which they are shown."""

from __future__ import annotations

import math

import numpy as np
import talib

from triplegain.market.indicators.bollinger import bollinger
from triplegain.market.indicators.choppiness import choppiness
from triplegain.market.indicators.columns import Array, Bar, CandleColumns
from triplegain.market.indicators.indicator import Indicator, Stream, Unit
from triplegain.market.indicators.keltner import keltner, squeeze
from triplegain.market.indicators.relative_strength import relative_strength
from triplegain.market.indicators.relative_volume import relative_volume
from triplegain.market.indicators.session_vwap import session_vwap
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.talib_stream import Handle, talib_indicator

_CLOSE = ("close",)
_RANGE = ("high", "low", "close")
_PRICE, _NUMBER = (Unit.PRICE,), (Unit.NUMBER,)


def catalogue(settings: IndicatorSettings) -> tuple[Indicator, ...]:
    """Every indicator with these settings."""
    macd = (settings.macd_fast, settings.macd_slow, settings.macd_signal)
    return (
        *(talib_indicator((f"ema_{n}",), _PRICE, n, "EMA", _CLOSE, n) for n in settings.ema),
        *(talib_indicator((f"sma_{n}",), _PRICE, n, "SMA", _CLOSE, n) for n in settings.sma),
        relative_strength(settings),
        talib_indicator(
            ("macd", "macd_signal", "macd_histogram"),
            (Unit.PRICE,) * 3,
            settings.macd_slow + settings.macd_signal - 1,
            "MACD",
            _CLOSE,
            *macd,
        ),
        talib_indicator(("atr",), _PRICE, settings.atr + 1, "ATR", _RANGE, settings.atr),
        talib_indicator(("adx",), _NUMBER, 2 * settings.adx, "ADX", _RANGE, settings.adx),
        bollinger(settings),
        keltner(settings),
        squeeze(settings),
        choppiness(settings),
        _supertrend(settings),
        talib_indicator(("roc_pct",), _NUMBER, settings.roc + 1, "ROC", _CLOSE, settings.roc),
        session_vwap(),
        talib_indicator(("obv",), (Unit.QUANTITY,), 1, "OBV", ("close", "volume")),
        relative_volume(settings),
    )


def _supertrend(settings: IndicatorSettings) -> Indicator:
    """The line, and on which side of it the market is: 1 above, -1 below. It begins above."""
    period, parameters = settings.supertrend, (settings.supertrend, settings.supertrend_multiple)

    def table(columns: CandleColumns) -> tuple[Array, ...]:
        line, side = talib.SUPERTREND(columns.high, columns.low, columns.close, *parameters)
        return line, np.where(np.isnan(line), np.nan, side.astype(np.float64))

    def opened(columns: CandleColumns) -> tuple[Stream, tuple[float, ...]]:
        stream = _SupertrendStream(
            Handle("SUPERTREND", parameters, (columns.high, columns.low, columns.close), period + 1)
        )
        return stream, stream.values()

    names, units = ("supertrend", "supertrend_direction"), (Unit.PRICE, Unit.NUMBER)
    return Indicator(names, units, period + 1, table, opened)


class _SupertrendStream:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def update(self, bar: Bar) -> tuple[float, ...]:
        self._handle.update(bar.high, bar.low, bar.close)
        return self.values()

    def values(self) -> tuple[float, float]:
        values = self._handle.values
        if len(values) < 2:
            return math.nan, math.nan
        line, side = values
        return line, float(side)
