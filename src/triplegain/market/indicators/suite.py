"""All indicators together: over a whole history, or going on candle by candle."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import numpy as np
import talib

from triplegain.domain.clock import SECOND_NS
from triplegain.market.indicators.indicator import (
    Array,
    Bar,
    CandleColumns,
    Handle,
    Indicator,
    Stream,
    Unit,
    filled,
    talib_indicator,
)
from triplegain.market.indicators.relative_strength import relative_strength
from triplegain.market.indicators.settings import IndicatorSettings

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
        return _BollingerStream(handle), _bollinger_values(float(columns.close[-1]), handle.values)

    names = tuple(f"bollinger_{name}" for name in _NAMES)
    units = (Unit.PRICE, Unit.PRICE, Unit.PRICE, Unit.NUMBER, Unit.NUMBER)
    return Indicator(names, units, period, table, opened)


class _BollingerStream:
    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def update(self, bar: Bar) -> tuple[float, ...]:
        return _bollinger_values(bar.close, self._handle.update(bar.close))


def _bollinger_values(close: float, bands: tuple[float, ...]) -> tuple[float, ...]:
    if len(bands) < 3:
        return (math.nan,) * 5
    upper, middle, lower = bands
    width = upper - lower
    position = (close - lower) / width if width else _MIDDLE
    return upper, middle, lower, width / middle * 100.0, position


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


#: Values at one candle by name, in ticks, lots and plain numbers; None is not known.
Reading = dict[str, float | None]


class IndicatorSuite:
    """Every indicator with one set of settings. It holds no candles and may be shared."""

    def __init__(self, settings: IndicatorSettings) -> None:
        self.settings = settings
        self._indicators = catalogue(settings)
        self.units: dict[str, Unit] = {
            name: unit for each in self._indicators for name, unit in zip(each.names, each.units, strict=True)
        }
        self.names = tuple(self.units)
        #: Candles before every indicator is known.
        self.candles_needed = max(each.candles for each in self._indicators)

    def table(self, columns: CandleColumns) -> dict[str, Array]:
        """One array per name with a value for every candle, NaN where there is none."""
        arrays: dict[str, Array] = {}
        for each in self._indicators:
            arrays.update(zip(each.names, each.table(columns), strict=True))
        return arrays

    def open(self, columns: CandleColumns) -> IndicatorStream:
        """A stream that has seen the columns (at least one candle), and goes on with the next one."""
        streams, values = zip(*(each.open(columns) for each in self._indicators), strict=True)
        return IndicatorStream(self.names, list(streams), [value for each in values for value in each])


class IndicatorStream:
    """The indicators of one series of candles. It depends on the first candle it saw: averages never forget quite."""

    def __init__(self, names: tuple[str, ...], streams: list[Stream], values: list[float]) -> None:
        self._names = names
        self._streams = streams
        self._values = values

    def update(self, bar: Bar) -> None:
        """Take the next closed candle."""
        values: list[float] = []
        for stream in self._streams:
            values += stream.update(bar)
        self._values = values

    def reading(self) -> Reading:
        """Values at the last candle."""
        values = zip(self._names, self._values, strict=True)
        return {name: value if math.isfinite(value) else None for name, value in values}
