"""An order as another program is given it: a side, a shape, whole lots, and prices in ticks."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Shape(StrEnum):
    """As far as their rules tell orders apart."""

    MARKET = "market"
    LIMIT = "limit"
    POST_ONLY = "post-only"
    STOP = "stop-loss"
    STOP_LIMIT = "stop-loss-limit"
    TAKE_PROFIT = "take-profit"


#: What waits for a price that is worse for whoever sends it.
STOPS = frozenset({Shape.STOP, Shape.STOP_LIMIT})


class Asked(Struct, frozen=True):
    """`side` 0 buys. `price` is the limit, or the trigger of what waits for one, `limit` the second price of a
    stop-loss-limit; 0 where there is none."""

    side: int
    shape: Shape
    lots: int
    price: int = 0
    limit: int = 0

    @property
    def rises(self) -> bool:
        """The market must rise to reach its price."""
        return (self.side == 1) is not (self.shape in STOPS)
