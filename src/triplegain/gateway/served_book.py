"""A served book: whatever a recording says about it becomes messages of one side each, never crossed in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from triplegain.domain.market import BestQuote, BookUpdate, Level
from triplegain.gateway.book_side import BookSide, Window
from triplegain.venues.kraken.book import CHECKED_LEVELS, checksum_of


@dataclass(frozen=True, slots=True)
class SideChange:
    """One message's worth: what each subscribed depth is told of one side, and the checksum after it.

    `moves` are (price, lots more or fewer) of the whole side.
    """

    bids: bool
    told: dict[int, list[Level]]
    checksum: int
    moves: list[tuple[int, int]]


class ServedBook:
    """Both sides of one instrument."""

    def __init__(self) -> None:
        self.bids = BookSide(bids=True)
        self.asks = BookSide(bids=False)
        #: Levels a side the recording knows; 0: all.
        self._known = 0
        self._bid_windows: dict[int, Window] = {}
        self._ask_windows: dict[int, Window] = {}

    @property
    def is_ready(self) -> bool:
        return bool(len(self.bids) and len(self.asks))

    @property
    def checksum(self) -> int:
        """Kraken's CRC32 of the ten best levels of both sides."""
        return checksum_of(self.bids.top(CHECKED_LEVELS), self.asks.top(CHECKED_LEVELS))

    def watch(self, depth: int) -> None:
        """From the next change on, say what this depth is told."""
        if depth not in self._bid_windows:
            self._bid_windows[depth] = Window(depth)
            self._ask_windows[depth] = Window(depth)

    def unwatch(self, depth: int) -> None:
        self._bid_windows.pop(depth, None)
        self._ask_windows.pop(depth, None)

    def on_update(self, update: BookUpdate) -> Iterator[SideChange]:
        """A recorded update; a snapshot counts as the difference from the book so far."""
        if update.snapshot:
            self._known = update.depth
            return self.become(update.bids, update.asks)
        return self.change(update.bids, update.asks)

    def on_best(self, quote: BestQuote) -> Iterator[SideChange]:
        """A best quote newer than the book trims it to itself."""
        bids = [(price, 0) for price in self.bids.beyond(quote.bid[0])]
        asks = [(price, 0) for price in self.asks.beyond(quote.ask[0])]
        return self.change([*bids, quote.bid], [*asks, quote.ask])

    def become(self, bids: Sequence[Level], asks: Sequence[Level]) -> Iterator[SideChange]:
        """The book is this from now on."""
        return self.change(_difference(self.bids, bids), _difference(self.asks, asks))

    def change(self, bids: Sequence[Level], asks: Sequence[Level]) -> Iterator[SideChange]:
        """Kraken's messages carry one side each. The side that gives way goes first."""
        new_bid = max([price for price, size in bids if size], default=0)
        asks_first = bool(self.asks.best) and new_bid >= self.asks.best
        order = ((False, asks), (True, bids)) if asks_first else ((True, bids), (False, asks))
        for is_bids, levels in order:
            if levels and (change := self._side(is_bids, levels)) is not None:
                yield change

    def _side(self, is_bids: bool, levels: Sequence[Level]) -> SideChange | None:
        side = self.bids if is_bids else self.asks
        windows = self._bid_windows if is_bids else self._ask_windows
        moves = side.apply(levels, windows.values())
        if self._known:
            moves += side.cut(self._known, windows.values())
        if not moves:
            return None
        told = {depth: levels for depth, window in windows.items() if (levels := window.take())}
        return SideChange(is_bids, told, self.checksum if told else 0, moves)


def _difference(side: BookSide, levels: Sequence[Level]) -> list[Level]:
    """Changes that turn a side into these levels: first what is new, then what goes."""
    new = dict(levels)
    return [*levels, *[(price, 0) for price in side.sizes if price not in new]]
