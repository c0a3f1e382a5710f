"""The lengths of candles that are looked at side by side. Weeks begin on Monday, 00:00 UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triplegain.domain import candle_time

DAY_NS = 1440 * candle_time.MINUTE_NS


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
        """Whether candles of this length add up to ours, and this one lies in a single interval."""
        fits = self.length_ns % length_ns == 0 and (open_time_ns - self.offset_ns) % length_ns == 0
        return fits and self.start(open_time_ns) == self.start(open_time_ns + length_ns - 1)


TIMEFRAMES: Mapping[str, Timeframe] = {
    name: Timeframe(name, length, candle_time.candle_open_ns(length, length) % length)
    for name, length in candle_time.TIMEFRAMES.items()
}


def timeframe(name: str) -> Timeframe:
    """The timeframe of this name. Raises InvalidValueError for any other."""
    name = name.strip().lower()
    candle_time.timeframe_ns(name)
    return TIMEFRAMES[name]
