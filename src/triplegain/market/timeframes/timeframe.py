"""The lengths of candles that are looked at side by side. Weeks begin on Monday, 00:00 UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError

_MINUTE_NS = 60 * SECOND_NS
_HOUR_NS = 60 * _MINUTE_NS
DAY_NS = 24 * _HOUR_NS
#: 1970 began on a Thursday.
_FIRST_MONDAY_NS = 4 * DAY_NS


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
    each.name: each
    for each in (
        Timeframe("1m", _MINUTE_NS),
        Timeframe("5m", 5 * _MINUTE_NS),
        Timeframe("15m", 15 * _MINUTE_NS),
        Timeframe("30m", 30 * _MINUTE_NS),
        Timeframe("1h", _HOUR_NS),
        Timeframe("4h", 4 * _HOUR_NS),
        Timeframe("12h", 12 * _HOUR_NS),
        Timeframe("1d", DAY_NS),
        Timeframe("1w", 7 * DAY_NS, _FIRST_MONDAY_NS),
    )
}


def timeframe(name: str) -> Timeframe:
    """The timeframe of this name. Raises InvalidValueError for any other."""
    found = TIMEFRAMES.get(name.strip().lower())
    if found is None:
        raise InvalidValueError(f"a timeframe is one of {', '.join(TIMEFRAMES)}; this is {name!r}")
    return found
