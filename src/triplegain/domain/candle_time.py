"""Where candles begin, and the lengths that stored history is read at."""

from __future__ import annotations

from triplegain.domain.clock import DAY_NS, HOUR_NS, MINUTE_NS, WEEK_NS
from triplegain.domain.errors import InvalidValueError

#: 1970-01-01 was a Thursday; a week begins on Monday, 00:00 UTC.
_FIRST_MONDAY_NS = 4 * DAY_NS

TIMEFRAMES: dict[str, int] = {
    "1m": MINUTE_NS,
    "5m": 5 * MINUTE_NS,
    "15m": 15 * MINUTE_NS,
    "30m": 30 * MINUTE_NS,
    "1h": HOUR_NS,
    "4h": 240 * MINUTE_NS,
    "12h": 720 * MINUTE_NS,
    "1d": DAY_NS,
    "1w": WEEK_NS,
}


def timeframe_ns(name: str) -> int:
    """Nanoseconds of `1m` to `1w`."""
    length = TIMEFRAMES.get(name)
    if length is None:
        raise InvalidValueError(f"a timeframe is one of {', '.join(TIMEFRAMES)}; this is {name!r}")
    return length


def candle_open_ns(time_ns: int, length_ns: int) -> int:
    """When the candle that holds a moment began: a multiple of its length since 1970, for a week a Monday."""
    first = _FIRST_MONDAY_NS if length_ns == WEEK_NS else 0
    return time_ns - (time_ns - first) % length_ns
