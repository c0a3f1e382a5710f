"""All indicators together: over a whole history, or going on candle by candle."""

from __future__ import annotations

import math
from collections import deque
from itertools import chain

import numpy as np
import talib

from triplegain.domain.clock import DAY_NS
from triplegain.market.indicators.indicator import (
    Array,
    Bar,
    Call,
    CandleColumns,
    Handle,
    Indicator,
    Stream,
    Unit,
    filled,
    talib_indicator,
)
from triplegain.market.indicators.settings import IndicatorSettings

_CLOSE = ("close",)
_RANGE = ("high", "low", "close")
_PRICE, _NUMBER = (Unit.PRICE,), (Unit.NUMBER,)

#: Bands without width lie on the close itself: it stands in their middle.
_MIDDLE = 0.5


def bollinger(settings: IndicatorSettings) -> Indicator:
    """Mean and population deviation. Width is percent of the middle; position 0 is the lower band, 1 the upper."""

    def formula(bar: Bar, bands: tuple[float, float, float]) -> tuple[float, ...]:
        upper, middle, lower = bands
        width = upper - lower
        position = (bar.close - lower) / width if width else _MIDDLE
        return upper, middle, lower, width / middle * 100.0, position

    names = tuple(f"bollinger_{name}" for name in ("upper", "middle", "lower", "width_pct", "position"))
    units = (Unit.PRICE, Unit.PRICE, Unit.PRICE, Unit.NUMBER, Unit.NUMBER)
    return talib_indicator(names, units, _bands(settings), formula=formula)


def _bands(settings: IndicatorSettings) -> Call:
    deviations = settings.bollinger_deviations
    return Call("BBANDS", _CLOSE, (settings.bollinger, deviations, deviations), settings.bollinger)


def keltner(settings: IndicatorSettings) -> Indicator:
    """EMA of the typical price (high + low + close) / 3, a multiple of the ATR above and below."""
    names = ("keltner_upper", "keltner_middle", "keltner_lower")
    return talib_indicator(names, _PRICE * 3, _channel(settings, settings.keltner_multiple))


def _channel(settings: IndicatorSettings, multiple: float) -> Call:
    parameters = (settings.keltner, settings.keltner_atr, multiple)
    return Call("KC", _RANGE, parameters, max(settings.keltner, settings.keltner_atr + 1))


def squeeze(settings: IndicatorSettings) -> Indicator:
    """1 where both Bollinger bands lie inside the channel, else 0; unknown where neither has any width."""

    def formula(bar: Bar, bands: tuple[float, float, float], channel: tuple[float, float, float]) -> tuple[float, ...]:
        (upper, _, lower), (above, _, below) = bands, channel
        if not (upper > lower or above > below):
            return (math.nan,)
        return (1.0 if upper < above and lower > below else 0.0,)

    calls = _bands(settings), _channel(settings, settings.squeeze_multiple)
    return talib_indicator(("squeeze",), (Unit.FLAG,), *calls, formula=formula)


def supertrend(settings: IndicatorSettings) -> Indicator:
    """The line, and on which side of it the market is: 1 above, -1 below. It begins above."""

    def formula(bar: Bar, values: tuple[float, float]) -> tuple[float, ...]:
        line, side = values
        return line, float(side)

    call = Call("SUPERTREND", _RANGE, (settings.supertrend, settings.supertrend_multiple), settings.supertrend + 1)
    names, units = ("supertrend", "supertrend_direction"), (Unit.PRICE, Unit.NUMBER)
    return talib_indicator(names, units, call, formula=formula)


def choppiness(settings: IndicatorSettings) -> Indicator:
    """100 log10(sum of true ranges / (highest high - lowest low)) / log10(period). Unknown where nothing moved."""
    period = settings.choppiness
    return Indicator(("choppiness",), _NUMBER, period + 1, lambda columns: _ChoppinessStream(columns, period))


class _ChoppinessStream:
    def __init__(self, columns: CandleColumns, period: int) -> None:
        self._scale = 100.0 / math.log10(period)
        ranges = talib.TRANGE(columns.high, columns.low, columns.close) if len(columns) > 1 else filled(1)
        self._way = Handle("SUM", (period,), (ranges,), period)
        self._high = Handle("MAX", (period,), (columns.high,), period)
        self._low = Handle("MIN", (period,), (columns.low,), period)
        self._close = float(columns.close[-1])
        self.values = self._made()

    def update(self, bar: Bar) -> None:
        self._way.update(max(bar.high, self._close) - min(bar.low, self._close))
        self._high.update(bar.high)
        self._low.update(bar.low)
        self._close = bar.close
        self.values = self._made()

    def _made(self) -> tuple[float, ...]:
        span = self._high.values[0] - self._low.values[0]
        way = self._way.values[0]
        # Not a number compares as false.
        return (math.log10(way / span) * self._scale if span > 0 and way > 0 else math.nan,)


def relative_volume(settings: IndicatorSettings) -> Indicator:
    """1 is as much as usual; unknown where nothing was traded at all."""
    period = settings.volume
    return Indicator(("volume_ratio",), _NUMBER, period, lambda columns: _VolumeStream(columns, period))


class _VolumeStream:
    def __init__(self, columns: CandleColumns, period: int) -> None:
        self._window = deque(columns.volume[-period:].tolist(), period)
        self.values = self._made()

    def update(self, bar: Bar) -> None:
        self._window.append(bar.volume)
        self.values = self._made()

    def _made(self) -> tuple[float, ...]:
        window = self._window
        # Summed anew each time: a running sum would keep the rounding of what has left it.
        total = math.fsum(window)
        known = len(window) == window.maxlen and total > 0
        return (window[-1] * len(window) / total if known else math.nan,)


#: Where nothing moves there is no strength: TA-Lib's average keeps 0 or 100 through a market that stands still, here it
#: is 50 once no close has changed within the period.
NEUTRAL = 50.0
#: A range of the RSI below this is rounding, not movement.
_NO_RANGE = 1e-9
_WHOLE = 100.0


def relative_strength(settings: IndicatorSettings) -> Indicator:
    """RSI after Wilder, and where it stands in its own recent range: %K and %D of the stochastic RSI; all 0..100."""
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

    def update(self, bar: Bar) -> None:
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


def session_vwap() -> Indicator:
    """Typical price (high + low + close) / 3 weighted by volume. Unknown on a day whose first candle is not there,

    while nothing has been traded since midnight, and on candles longer than a day.
    """
    return Indicator(("vwap",), _PRICE, 1, _VwapStream)


class _VwapStream:
    def __init__(self, columns: CandleColumns) -> None:
        length_ns = columns.length_ns
        self._is_short = length_ns <= DAY_NS and DAY_NS % length_ns == 0
        self._day = -1
        self._is_whole = False
        self._value = 0.0
        self._volume = 0.0
        self.values: tuple[float, ...] = (math.nan,)
        today = int(columns.open_time_ns[-1]) // DAY_NS * DAY_NS
        for bar in columns.since(int(np.searchsorted(columns.open_time_ns, today))).bars():
            self.update(bar)

    def update(self, bar: Bar) -> None:
        day, into_day = divmod(bar.open_time_ns, DAY_NS)
        if day != self._day:
            self._day, self._is_whole = day, self._is_short and into_day == 0
            self._value = self._volume = 0.0
        self._value += (bar.high + bar.low + bar.close) / 3.0 * bar.volume
        self._volume += bar.volume
        self.values = (self._value / self._volume if self._is_whole and self._volume > 0 else math.nan,)


def catalogue(settings: IndicatorSettings) -> tuple[Indicator, ...]:
    """Every indicator with these settings."""
    macd = (settings.macd_fast, settings.macd_slow, settings.macd_signal)
    macd_names = ("macd", "macd_signal", "macd_histogram")
    return (
        *(talib_indicator((f"ema_{n}",), _PRICE, Call("EMA", _CLOSE, (n,), n)) for n in settings.ema),
        *(talib_indicator((f"sma_{n}",), _PRICE, Call("SMA", _CLOSE, (n,), n)) for n in settings.sma),
        relative_strength(settings),
        talib_indicator(macd_names, _PRICE * 3, Call("MACD", _CLOSE, macd, macd[1] + macd[2] - 1)),
        talib_indicator(("atr",), _PRICE, Call("ATR", _RANGE, (settings.atr,), settings.atr + 1)),
        talib_indicator(("adx",), _NUMBER, Call("ADX", _RANGE, (settings.adx,), 2 * settings.adx)),
        bollinger(settings),
        keltner(settings),
        squeeze(settings),
        choppiness(settings),
        supertrend(settings),
        talib_indicator(("roc_pct",), _NUMBER, Call("ROC", _CLOSE, (settings.roc,), settings.roc + 1)),
        session_vwap(),
        talib_indicator(("obv",), (Unit.QUANTITY,), Call("OBV", ("close", "volume"), (), 1)),
        relative_volume(settings),
    )


#: Values at one candle by name, in ticks, lots and plain numbers; None is not known.
Reading = dict[str, float | None]


class IndicatorSuite:
    """Every indicator with one set of settings. It holds no candles and may be shared."""

    def __init__(self, settings: IndicatorSettings) -> None:
        self.settings = settings
        self.indicators = catalogue(settings)
        self.units: dict[str, Unit] = {
            name: unit for each in self.indicators for name, unit in zip(each.names, each.units, strict=True)
        }
        #: By name the place of its indicator, and its place among the values of that.
        self.places = {
            name: (place, number)
            for place, each in enumerate(self.indicators)
            for number, name in enumerate(each.names)
        }
        self.names = tuple(self.units)
        #: Candles before every indicator is known.
        self.candles_needed = max(each.candles for each in self.indicators)

    def open(self, columns: CandleColumns) -> IndicatorStream:
        """A stream that has seen the columns (at least one candle), and goes on with the next one."""
        return IndicatorStream(self.names, [each.open(columns) for each in self.indicators])


class IndicatorStream:
    """The indicators of one series of candles. It depends on the first candle it saw: averages never forget quite."""

    def __init__(self, names: tuple[str, ...], streams: list[Stream]) -> None:
        self._names = names
        self._streams = streams

    def update(self, bar: Bar) -> None:
        """Take the next closed candle."""
        for stream in self._streams:
            stream.update(bar)

    def reading(self) -> Reading:
        """Values at the last candle."""
        values = chain.from_iterable([stream.values for stream in self._streams])
        known = zip(self._names, values, strict=True)
        return {name: value if math.isfinite(value) else None for name, value in known}
