"""Single figures out of a snapshot, where agents need them as numbers. None is not known; it is never 0."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triplegain.market.snapshot.frame import ClosedFrame


_BPS = 10_000
_DISTANCE_BPS_MAX = 9_999


def figure(frame: ClosedFrame | None, name: str) -> float | None:
    """An indicator of the frame as a finite number."""
    value = None if frame is None else frame.indicators.get(name)
    if value is None or isinstance(value, bool) or not math.isfinite(value):
        return None
    return value


def distance_bps(price: Decimal, level: float | None) -> int | None:
    """From the price to a level, in basis points of the price: above is positive."""
    if level is None:
        return None
    bps = round((level / float(price) - 1) * _BPS)
    return max(-_DISTANCE_BPS_MAX, min(_DISTANCE_BPS_MAX, bps))


def percent(share: float | None) -> int | None:
    """A share from -1 to 1 as a whole percentage."""
    return None if share is None else max(-100, min(100, round(share * 100)))
