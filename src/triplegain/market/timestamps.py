"""Written times as nanoseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from triplegain.domain.clock import SECOND_NS, from_datetime
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.values import usable_time

#: Length and places of the usual `2023-07-30T15:29:58.343415Z`.
_USUAL, _POINT = 27, 19


def rfc3339_ns(text: str) -> int:
    """`2023-07-30T15:29:58.343415Z`, up to nanoseconds."""
    if (
        len(text) == _USUAL
        and text[_POINT] == "."
        and text[-1] == "Z"
        and (fraction := text[_POINT + 1 : -1]).isdigit()
    ):
        return _whole_seconds(text[:_POINT]) + int(fraction) * 1000
    seconds, point, rest = text.partition(".")
    fraction = rest[:-1] if rest.endswith("Z") else rest
    whole = _whole_seconds(seconds.removesuffix("Z"))
    try:
        return whole + (int(fraction.ljust(9, "0")[:9]) if point else 0)
    except ValueError:
        raise InvalidValueError(f"{text!r} is not a time in UTC") from None


@lru_cache(maxsize=64)
def _whole_seconds(text: str) -> int:
    """Nanoseconds of `2023-07-30T15:29:58`: many messages share a second."""
    try:
        moment = datetime.fromisoformat(f"{text}+00:00")
    except ValueError:
        raise InvalidValueError(f"{text!r} is not a time in UTC") from None
    return usable_time(from_datetime(moment))


def csv_time_ns(text: str) -> int:
    """A time as candle files write it: Unix seconds or milliseconds, `2020-01-01 00:00:00`, `2019-07-09 01-AM`."""
    try:
        if text.isdigit():
            number = int(text)
            time_ns = number * (SECOND_NS if number < 10**11 else 1_000_000)
        elif text.endswith(("AM", "PM")):
            day, hour = text.split()
            clock, half = hour.split("-")
            hour = f"{int(clock) % 12 + 12 * (half == 'PM'):02}"
            time_ns = from_datetime(datetime.fromisoformat(f"{day}T{hour}:00:00+00:00"))
        else:
            time_ns = from_datetime(datetime.fromisoformat(f"{text.replace(' ', 'T').removesuffix('Z')}+00:00"))
    except ValueError:
        raise InvalidValueError(f"{text!r} is not a time") from None
    return usable_time(time_ns)


def moment_ns(text: str) -> int:
    """A time as somebody types it, in UTC: `2024-01-01`, `2024-01-01 12:00`, `2024-01-01T12:00:00Z`."""
    try:
        moment = datetime.fromisoformat(text.strip().removesuffix("Z"))
    except ValueError:
        raise InvalidValueError(f"{text!r} is not a time: write 2024-01-01 or 2024-01-01T12:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return usable_time(from_datetime(moment))
