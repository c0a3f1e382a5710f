"""One side of a served book, and what subscribers of each depth have to be told when it changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from triplegain.domain.market import Level


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

    __slots__ = ("_keys", "_sign", "sizes")

    def __init__(self, *, bids: bool) -> None:
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

    def apply(self, levels: Iterable[Level], windows: Iterable[Window] = ()) -> list[tuple[int, int]]:
        """Sets levels to absolute sizes in order, quantity 0 removes; returns (price, lots more or fewer)."""
        sign, keys, sizes = self._sign, self._keys, self.sizes
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

    def cut(self, depth: int, windows: Iterable[Window] = ()) -> list[tuple[int, int]]:
        """Forgets all but the best `depth` levels, as a market does that knows no more."""
        moves = []
        while len(self._keys) > depth:
            price = self._sign * self._keys.pop()
            moves.append((price, -self.sizes.pop(price)))
            for window in windows:
                window.forgotten(price, len(self._keys), depth)
        return moves
