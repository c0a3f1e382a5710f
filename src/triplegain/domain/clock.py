"""Time. The only place that asks the machine what time it is.

Times are integer nanoseconds since 1970 (UTC). Market time comes from the feed; wall time is used for pacing,
for "recorded at" columns and nowhere in a decision.

Market time has two faces, kept apart by type. The time of our work is a plain number and never runs back. A `Moment` is
what a datum says of itself: channels overtake one another, so the next datum may speak of an earlier one.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NewType, Protocol

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
WEEK_NS = 7 * DAY_NS
MILLISECOND_NS = 1_000_000
#: Nanoseconds of the letters behind a duration.
UNITS_NS = {"s": SECOND_NS, "m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS}
#: Later than any time.
NEVER = 1 << 63


#: The exchange's own time of a book, a trade or an order, which data are compared by.
Moment = NewType("Moment", int)
#: Before every moment.
NO_MOMENT = Moment(-1)


class Clock(Protocol):
    def now_ns(self) -> int:
        """Nanoseconds since 1970, UTC."""
        ...


class SystemClock:
    """Wall time of this machine."""

    def now_ns(self) -> int:
        return time.time_ns()


class SteadyClock:
    """Wall time at the start, carried on by a counter that nobody sets back: what came later has a later time."""

    def __init__(self) -> None:
        self._start_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        return self._start_ns + time.monotonic_ns()


class ManualClock:
    """A clock that moves only when told to: market time, and every test."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance_to(self, now_ns: int) -> None:
        """Move forward; a time in the past leaves the clock where it is."""
        self._now_ns = max(self._now_ns, now_ns)


def to_datetime(time_ns: int) -> datetime:
    """UTC datetime, cut to microseconds."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).replace(microsecond=time_ns % SECOND_NS // 1000)


def from_datetime(moment: datetime) -> int:
    """Nanoseconds of an aware datetime."""
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * DAY_NS + delta.seconds * SECOND_NS + delta.microseconds * 1000


def iso(time_ns: int) -> str:
    """RFC 3339 text in UTC with microseconds, as Kraken writes it."""
    return to_datetime(time_ns).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
