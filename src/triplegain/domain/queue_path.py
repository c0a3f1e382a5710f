"""How the queue in front of a resting order went: points in the order in which they came."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec


class QueueChange(StrEnum):
    """Why the queue is another one at this point."""

    #: The order took its place, or was amended and took another one.
    ARRIVAL = "arrival"
    AMENDED = "amended"
    #: The next slice of an iceberg was shown, at the back.
    REFILL = "refill"
    #: Who stood in front was traded with, or left.
    TRADED = "traded"
    CANCELLED = "cancelled"
    #: A trade went through the price: whoever stood in front was traded with, or had left.
    PASSED = "passed"
    #: A new snapshot, or first sight of the level, shows so many.
    SHOWN_ANEW = "shown_anew"
    #: Whoever came before the order did was told only now.
    TOLD_LATE = "told_late"
    #: The market was out of sight: nobody knows any more.
    UNSEEN = "unseen"
    #: The order was filled, or is over without that.
    FILLED = "filled"
    ENDED = "ended"


class QueuePoint(msgspec.Struct, frozen=True):
    """`ahead` and `traded` in base: what stands in front, None where nobody knows, and what of those in front has been
    traded at the price since the order first took a place. `point` counts those of the order, `time_ns` is market
    time."""

    order_number: int
    point: int
    time_ns: int
    ahead: Decimal | None
    traded: Decimal
    why: QueueChange
