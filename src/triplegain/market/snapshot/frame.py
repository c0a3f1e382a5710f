"""One timeframe of a snapshot, written once per closed candle."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from triplegain.domain.clock import SECOND_NS, iso
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle
from triplegain.market.candles.candle_history import CandleHistory
from triplegain.market.candles.candle_series import CandleSeries
from triplegain.market.indicators.indicator import Unit
from triplegain.market.indicators.suite import IndicatorSuite, Reading
from triplegain.market.snapshot.figures import NULL, Steps, fixed, significant

#: Averages closer than this (ticks) are level.
_LEVEL = 0.01
_AVERAGES = 3
_LEAST = 2


def averages(ema_periods: Sequence[int]) -> tuple[str, ...]:
    """Those a trend is told from: the three shortest EMAs there are."""
    return tuple(f"ema_{period}" for period in sorted(ema_periods)[:_AVERAGES])


def trend(reading: Reading, close: int, names: Sequence[str]) -> float | None:
    """Mean of three signs: fast over middle average, middle over slow, close over slow; -1..1.

    `names` are those of the averages. None until the slow one is known.
    """
    values = [reading[name] for name in names]
    fast, middle, slow = values if len(values) == _AVERAGES else (None, None, None)
    if fast is None or middle is None or slow is None:
        return None
    return (_sign(fast - middle) + _sign(middle - slow) + _sign(close - slow)) / 3


def alignment(trends: Iterable[float | None]) -> float | None:
    """Mean of the known trends: 1 all rise, -1 all fall. None with fewer than two."""
    known = [each for each in trends if each is not None]
    return math.fsum(known) / len(known) if len(known) >= _LEAST else None


def _sign(difference: float) -> int:
    return (difference > _LEVEL) - (difference < -_LEVEL)


#: Digits in the compact rendering.
_BRIEF = 4

Value = float | bool | None


@dataclass(frozen=True, slots=True)
class ClosedFrame:
    """The latest closed candles of one timeframe, oldest first, and the indicators at the last of them.

    `indicators` are in the instrument's currencies and rounded, as the JSON has them. `json` is the part of the full
    rendering that stays until another candle closes, `brief_*` are those of the compact one.
    """

    timeframe: str
    candles: tuple[Candle, ...]
    indicators: Mapping[str, Value]
    trend: float | None
    #: The candles the indicators were computed from.
    history_candles: int
    #: The latest of them without a trade.
    quiet_candles: int
    json: str
    brief_rows: tuple[str, ...]
    brief_indicators: Mapping[str, str]

    @property
    def close_time_ns(self) -> int:
        return self.candles[-1].close_time_ns

    def indicator(self, name: str) -> Value:
        """None: not known, or there is none of that name."""
        return self.indicators.get(name)


class CandleText:
    """How the candles and indicators of an instrument are written."""

    def __init__(self, instrument: Instrument, suite: IndicatorSuite) -> None:
        self.price = Steps(instrument.tick)
        self.quantity = Steps(instrument.lot)
        self._units = suite.units

    @property
    def names(self) -> Container[str]:
        return self._units

    def row(self, candle: Candle) -> str:
        """`[open time in s, "open", "high", "low", "close", "volume"]`, exact."""
        price = self.price.exact
        prices = f'"{price(candle.open)}","{price(candle.high)}","{price(candle.low)}","{price(candle.close)}"'
        return f'[{candle.open_time_ns // SECOND_NS},{prices},"{self.quantity.exact(candle.volume)}"]'

    def brief_row(self, candle: Candle) -> str:
        """`[open,high,low,close,volume]` as numbers, the volume rounded."""
        price = self.price.exact
        volume = self.quantity.significant(candle.volume, _BRIEF)
        return f"[{price(candle.open)},{price(candle.high)},{price(candle.low)},{price(candle.close)},{volume}]"

    def value(self, name: str, value: float | None, *, brief: bool = False) -> str:
        """A JSON value with all digits that can mean something, or fewer."""
        if value is None:
            return NULL
        match self._units[name]:
            case Unit.PRICE:
                return self.price.rounded(value, 1) if brief else self.price.rounded(value)
            case Unit.QUANTITY:
                return self.quantity.significant(value, _BRIEF) if brief else self.quantity.significant(value)
            case Unit.NUMBER:
                return significant(value, _BRIEF) if brief else fixed(value)
            case Unit.FLAG:
                return "true" if value else "false"


class FrameFigures:
    """What `ClosedFrame` says of the latest closed candle, each figure written when somebody asks for it: many times
    cheaper where few are. What was asked for is kept; anything else is known until another candle closes."""

    __slots__ = ("_known", "_series", "_text", "seen", "timeframe", "trend")

    def __init__(self, series: CandleSeries, text: CandleText, trend: float | None) -> None:
        self.timeframe = series.timeframe.name
        self.trend = trend
        self.seen = _seen(series)
        self._series = series
        self._text = text
        self._known: dict[str, Value] = {}

    def indicator(self, name: str) -> Value:
        """None: not known, or there is none of that name. Raises InvalidValueError once another candle has closed."""
        if name not in self._known:
            if self.seen != _seen(self._series):
                raise InvalidValueError(f"another {self.timeframe} candle has closed")
            self._known[name] = self._written(name)
        return self._known[name]

    def _written(self, name: str) -> Value:
        if name not in self._text.names:
            return None
        return _value(self._text.value(name, self._series.reading((name,))[name]))


def _seen(series: CandleSeries) -> tuple[int, int]:
    """Changes with the closed candles."""
    return series.edition, series.history.end_ns


#: A trend by the edition of the candles and a close.
_Told = tuple[tuple[int, int], float | None]


class FrameWriter:
    """Keeps what was written until another candle closes."""

    def __init__(self, series: CandleSeries, look_back: int, text: CandleText, ema_periods: tuple[int, ...]) -> None:
        self.series = series
        self.look_back = look_back
        self._text = text
        self._averages = averages(ema_periods)
        self._figures: FrameFigures | None = None
        self._rows: deque[tuple[Candle, str, str]] = deque(maxlen=look_back)
        self._written: ClosedFrame | None = None
        #: The last two that were asked for, by edition and close.
        self._trends: tuple[_Told, _Told] = (((-1, 0), None), ((-1, 0), None))
        self._edition = -1
        self._end_ns = 0

    def closed(self) -> ClosedFrame | None:
        """None while no candle has closed."""
        history = self.series.history
        if not len(history):
            self._written = None
        elif self._written is None or self._edition != self.series.edition or self._end_ns != history.end_ns:
            self._written = self._write()
        return self._written

    def trend(self, end_ns: int) -> float | None:
        """The direction of the candles up to a close; nothing is written for it. None while it is unknown."""
        asked = self.series.edition, end_ns
        for known, value in self._trends:
            if known == asked:
                return value
        value = trend(self.series.reading(self._averages, end_ns), self.series.history.close_at(end_ns), self._averages)
        self._trends = self._trends[-1], (asked, value)
        return value

    def figures(self) -> FrameFigures | None:
        """The figures of the closed candles; nothing is written before it is asked for. None while no candle has."""
        if not len(self.series.history):
            return None
        if self._figures is None or self._figures.seen != _seen(self.series):
            self._figures = FrameFigures(self.series, self._text, self.trend(self.series.history.end_ns))
        return self._figures

    def _write(self) -> ClosedFrame:
        series, text = self.series, self._text
        history, rows = series.history, self._rows
        new = self.look_back
        if self._edition == series.edition:
            new = min(new, (history.end_ns - self._end_ns) // series.timeframe.length_ns)
        else:
            rows.clear()
        for candle in history.last(new):
            rows.append((candle, text.row(candle), text.brief_row(candle)))
        self._edition, self._end_ns = series.edition, history.end_ns
        reading = series.reading()
        full = {name: text.value(name, value) for name, value in reading.items()}
        brief = {name: text.value(name, value, brief=True) for name, value in reading.items()}
        direction = self.trend(history.end_ns)
        return ClosedFrame(
            timeframe=series.timeframe.name,
            candles=tuple(candle for candle, _, _ in rows),
            indicators=MappingProxyType({name: _value(each) for name, each in full.items()}),
            trend=direction,
            history_candles=len(history),
            quiet_candles=history.quiet_candles(),
            json=_closed_json(history, [row for _, row, _ in rows], full, direction),
            brief_rows=tuple(row for _, _, row in rows),
            brief_indicators=MappingProxyType(brief),
        )


@dataclass(frozen=True, slots=True)
class FrameSnapshot:
    """A timeframe at the moment of a snapshot. `unfinished` is the open candle, None without a trade in it."""

    closed: ClosedFrame
    unfinished: Candle | None
    unfinished_json: str

    def json(self, now_ns: int) -> str:
        """The full rendering, keys sorted."""
        age = fixed((now_ns - self.closed.close_time_ns) / SECOND_NS)
        return f'{{"age_s":{age},{self.closed.json},"unfinished":{self.unfinished_json}}}'


def _closed_json(history: CandleHistory, rows: list[str], indicators: Mapping[str, str], trend: float | None) -> str:
    """All members of a timeframe's object but the first, its age, and the last, the open candle."""
    values = ",".join(f'"{name}":{indicators[name]}' for name in sorted(indicators))
    return (
        f'"candles":[{",".join(rows)}],'
        f'"history":{{"candles":{len(history)},"from":"{iso(history.first_open_ns)}"}},'
        f'"indicators":{{{values}}},"last_close":"{iso(history.end_ns)}",'
        f'"trend":{NULL if trend is None else fixed(trend)}'
    )


def _value(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    return None if text == NULL else float(text)
