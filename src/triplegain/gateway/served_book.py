"""A served book: whatever a recording says about it becomes messages of one side each, never crossed in between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from triplegain.domain.market import BestQuote, BookUpdate, Level
from triplegain.venues.kraken.book import CHECKED_LEVELS, checksum_of


class Window:
    """The best `depth` levels as one subscription sees them, while one message is being put together.

    Kraken tells absolute sizes in the order they came about: quantity 0 for a level that was removed, followed by the
    level that came back into view at the far end. Nobody is told of a level that was pushed out of view. Whoever
    cuts to the depth after every level, and whoever does so after the whole message, ends with the same book.
    """

    __slots__ = ("_fallen", "depth", "told")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.told: list[Level] = []
        #: Pushed out by this very message: a client that cuts at its end still holds them.
        self._fallen: set[int] = set()

    def take(self) -> list[Level]:
        """What this message has to say; the next one starts empty."""
        told, self.told = self.told, []
        self._fallen.clear()
        return told

    def added(self, price: int, size: int, rank: int, pushed_out: int) -> None:
        """A new level at `rank` (best is 0); `pushed_out` is the price now just out of view, 0 if there is none."""
        if rank < self.depth:
            self.told.append((price, size))
            if pushed_out:
                self._fallen.add(pushed_out)

    def changed(self, price: int, size: int, rank: int) -> None:
        if rank < self.depth:
            self.told.append((price, size))

    def removed(self, price: int, rank: int, back: Level | None) -> None:
        """`back` is the level now last in view, if the side is that deep."""
        if rank < self.depth:
            self.told.append((price, 0))
            if back is not None:
                self.told.append(back)
                self._fallen.discard(back[0])
        elif price in self._fallen:
            self.told.append((price, 0))
            self._fallen.discard(price)

    def forgotten(self, price: int, rank: int, known: int) -> None:
        """The market itself knows only `known` levels and has lost the one at `rank`; who sees no more knows that."""
        if known < self.depth and (rank < self.depth or price in self._fallen):
            self.told.append((price, 0))
            self._fallen.discard(price)


class BookSide:
    """Absolute sizes by price, best first."""

    __slots__ = ("_keys", "_sign", "sizes", "windows")

    def __init__(self, *, bids: bool) -> None:
        #: Depths that are watched: each is told what it sees of a change.
        self.windows: dict[int, Window] = {}
        self._sign = -1 if bids else 1
        #: Price times sign: rising from the best on.
        self._keys: list[int] = []
        self.sizes: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def best(self) -> int:
        """Best price, 0 when the side is empty."""
        return self._sign * self._keys[0] if self._keys else 0

    def top(self, count: int) -> list[Level]:
        sign, sizes = self._sign, self.sizes
        return [(sign * key, sizes[sign * key]) for key in self._keys[:count]]

    def beyond(self, price: int) -> list[int]:
        """Prices better than this one, best first."""
        return [self._sign * key for key in self._keys[: bisect_left(self._keys, self._sign * price)]]

    def apply(self, levels: Iterable[Level]) -> list[tuple[int, int]]:
        """Sets levels to absolute sizes in order, quantity 0 removes; returns (price, lots more or fewer)."""
        sign, keys, sizes, windows = self._sign, self._keys, self.sizes, self.windows.values()
        moves = []
        for price, size in levels:
            had = sizes.get(price, 0)
            if had == size:
                continue
            moves.append((price, size - had))
            rank = bisect_left(keys, sign * price)
            if not size:
                del keys[rank], sizes[price]
                for window in windows:
                    last = window.depth - 1
                    back = sign * keys[last] if len(keys) > last else 0
                    window.removed(price, rank, (back, sizes[back]) if back else None)
                continue
            sizes[price] = size
            if had:
                for window in windows:
                    window.changed(price, size, rank)
                continue
            keys.insert(rank, sign * price)
            for window in windows:
                pushed_out = sign * keys[window.depth] if len(keys) > window.depth else 0
                window.added(price, size, rank, pushed_out)
        return moves

    def cut(self, depth: int) -> list[tuple[int, int]]:
        """Forgets all but the best `depth` levels, as a market does that knows no more."""
        moves = []
        while len(self._keys) > depth:
            price = self._sign * self._keys.pop()
            moves.append((price, -self.sizes.pop(price)))
            for window in self.windows.values():
                window.forgotten(price, len(self._keys), depth)
        return moves


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

    @property
    def is_ready(self) -> bool:
        return bool(len(self.bids) and len(self.asks))

    @property
    def checksum(self) -> int:
        """Kraken's CRC32 of the ten best levels of both sides."""
        return checksum_of(self.bids.top(CHECKED_LEVELS), self.asks.top(CHECKED_LEVELS))

    def watch(self, depth: int) -> None:
        """From the next change on, say what this depth is told."""
        for side in (self.bids, self.asks):
            side.windows.setdefault(depth, Window(depth))

    def unwatch(self, depth: int) -> None:
        for side in (self.bids, self.asks):
            side.windows.pop(depth, None)

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
        # Of a price that is set twice the last size counts.
        new_bid = max([price for price, size in dict(bids).items() if size], default=0)
        asks_first = bool(self.asks.best) and new_bid >= self.asks.best
        order = ((False, asks), (True, bids)) if asks_first else ((True, bids), (False, asks))
        for is_bids, levels in order:
            if levels and (change := self._side(is_bids, levels)) is not None:
                yield change

    def _side(self, is_bids: bool, levels: Sequence[Level]) -> SideChange | None:
        side = self.bids if is_bids else self.asks
        moves = side.apply(levels)
        if self._known:
            moves += side.cut(self._known)
        if not moves:
            return None
        told = {depth: levels for depth, window in side.windows.items() if (levels := window.take())}
        return SideChange(is_bids, told, self.checksum if told else 0, moves)


def _difference(side: BookSide, levels: Sequence[Level]) -> list[Level]:
    """Changes that turn a side into these levels: first what is new, then what goes."""
    new = dict(levels)
    return [*levels, *[(price, 0) for price in side.sizes if price not in new]]
