"""The book as a capture tells it: enough to verify a checksum, see a crossed book and start in the middle."""

from __future__ import annotations

from collections.abc import Sequence

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import BestQuote, BookUpdate, Level


class DepthBook:
    """Absolute sizes by price, both in whole steps. `depth` 0 keeps every level."""

    __slots__ = ("asks", "best_ask", "best_bid", "bids", "depth")

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        #: Best prices, 0 where the side is empty.
        self.best_bid = 0
        self.best_ask = 0

    @property
    def is_crossed(self) -> bool:
        return bool(self.best_ask) and self.best_bid >= self.best_ask

    def take(self, event: BookUpdate | BestQuote) -> None:
        """What a feed says of it."""
        if isinstance(event, BestQuote):
            self.trim(event.bid, event.ask)
            return
        self.depth = event.depth
        change = self.replace if event.snapshot else self.apply
        change(event.bids, event.asks)

    def replace(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """A snapshot: nothing of the old book stays."""
        self.bids.clear()
        self.asks.clear()
        self.best_bid = self.best_ask = 0
        self.apply(bids, asks)

    def apply(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """All levels in order (a price may occur twice), then cut to the depth: nobody deletes what fell out."""
        if 0 in dict(bids) or 0 in dict(asks):
            raise InvalidValueError("a book level has the price 0")
        side, best, stale = self.bids, self.best_bid, False
        for price, quantity in bids:
            if quantity:
                side[price] = quantity
                if price > best:
                    best = price
            elif side.pop(price, 0) and price == best:
                stale = True
        self.best_bid = max(side, default=0) if stale and best not in side else best
        side, best, stale = self.asks, self.best_ask, False
        for price, quantity in asks:
            if quantity:
                side[price] = quantity
                if price < best or not best:
                    best = price
            elif side.pop(price, 0) and price == best:
                stale = True
        self.best_ask = min(side, default=0) if stale and best not in side else best
        if self.depth:
            self._truncate()

    def trim(self, bid: Level, ask: Level) -> None:
        """A newer best quote: nothing stands beyond it, and its sizes stand at it."""
        bids, asks = [bid], [ask]
        if self.best_bid > bid[0]:
            bids += [(price, 0) for price in self.bids if price > bid[0]]
        if 0 < self.best_ask < ask[0]:
            asks += [(price, 0) for price in self.asks if price < ask[0]]
        self.apply(bids, asks)

    def _truncate(self) -> None:
        if len(self.bids) > self.depth:
            for price in sorted(self.bids)[: -self.depth]:
                del self.bids[price]
        if len(self.asks) > self.depth:
            for price in sorted(self.asks)[self.depth :]:
                del self.asks[price]

    def levels(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids from high to low and asks from low to high."""
        return tuple(sorted(self.bids.items(), reverse=True)), tuple(sorted(self.asks.items()))
