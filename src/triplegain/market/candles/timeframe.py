"""The lengths of candles that are looked at side by side. Weeks begin on Monday, 00:00 UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triplegain.domain import candle_time
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Timeframe:
    """Intervals [start, start + length), one of which begins at `offset_ns` after 1970."""

    name: str
    length_ns: int
    offset_ns: int = 0

    def start(self, time_ns: int) -> int:
        """Start of the interval in which a time lies."""
        return time_ns - (time_ns - self.offset_ns) % self.length_ns

    def holds(self, open_time_ns: int, length_ns: int) -> bool:
        """Whether candles of this length add up to ours, and this one is one of them: it lies in a single interval."""
        return self.length_ns % length_ns == 0 and (open_time_ns - self.offset_ns) % length_ns == 0


TIMEFRAMES: Mapping[str, Timeframe] = {
    name: Timeframe(name, length, candle_time.candle_open_ns(length, length) % length)
    for name, length in candle_time.TIMEFRAMES.items()
}


def timeframe(name: str) -> Timeframe:
    """The timeframe of this name. Raises InvalidValueError for any other."""
    name = name.strip().lower()
    candle_time.timeframe_ns(name)
    return TIMEFRAMES[name]


CANDLE_LENGTHS: dict[str, int] = {
    "1s": SECOND_NS,
    "5s": 5 * SECOND_NS,
    "15s": 15 * SECOND_NS,
    **{name: candle_time.TIMEFRAMES[name] for name in ("1m", "5m", "15m", "1h", "4h", "1d")},
}

_AUTOMATIC = ("1h", "15m", "5m", "1m", "15s", "5s", "1s")
_CANDLES_WANTED = 200


def parse_candle_length(text: str) -> int:
    """Nanoseconds of `1s`, `5s`, `15s`, `1m`, `5m`, `15m`, `1h`, `4h` or `1d`."""
    length = CANDLE_LENGTHS.get(text.strip().lower())
    if length is None:
        raise InvalidValueError(f"a candle length is one of {', '.join(CANDLE_LENGTHS)}; this is {text!r}")
    return length


def candle_length_text(length_ns: int) -> str:
    """`5m` for 300 s; seconds for a length without a name."""
    names = {length: name for name, length in CANDLE_LENGTHS.items()}
    return names.get(length_ns) or f"{length_ns // SECOND_NS}s"


def auto_candle_length(span_ns: int, at_least_ns: int = 0) -> int:
    """The longest of 1s, 5s, 15s, 1m, 5m, 15m, 1h with at least 200 candles in the span, else the shortest.

    `at_least_ns` is the length of the recorded candles where there is nothing finer.
    """
    for name in _AUTOMATIC:
        if span_ns // CANDLE_LENGTHS[name] >= _CANDLES_WANTED:
            return max(CANDLE_LENGTHS[name], at_least_ns)
    return max(SECOND_NS, at_least_ns)
