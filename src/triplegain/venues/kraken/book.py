"""One instrument's book as Kraken's frames tell it, with the checksum kept up to date as levels change."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Level
from triplegain.market.scaling import Scale
from triplegain.venues.kraken.wire.frames import WireLevel

#: The ten best levels of each side are covered, whatever depth is subscribed.
CHECKED_LEVELS = 10


def checksum_of(bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """Kraken's CRC32 of the best levels of a book, best first.

    Its text is price and size without point and leading zeros, asks first: with prices in ticks and sizes in lots of
    the precision Kraken writes, that is the plain whole number, also where a file has lost trailing zeros.
    """
    return crc32("".join([f"{price}{quantity}" for price, quantity in (*asks, *bids)]).encode())


#: Depths that can be subscribed; a snapshot without an acknowledgement has the smallest that holds it.
BOOK_DEPTHS = (10, 25, 100, 500, 1000)

Levels = tuple[Level, ...]


class _Side:
    """Sizes by price, the prices in rising order, and what the ten best contribute to the checksum.

    `sign` is 1 for asks and -1 for bids: a key is the price times the sign, so that the best comes first.
    """

    __slots__ = ("_sign", "_texts", "_zeros", "changed", "keys", "sizes", "tenth")

    def __init__(self, sign: int, zeros: str) -> None:
        self._sign = sign
        self._zeros = zeros
        self.keys: list[int] = []
        self.sizes: dict[int, int] = {}
        self._texts: dict[int, str] = {}
        #: Key of the last level in the checksum; everything is in it while there are fewer than ten.
        self.tenth = 0
        #: Whether one of the ten best is not what it was when `text` was made.
        self.changed = True

    def clear(self) -> None:
        self.keys.clear()
        self.sizes.clear()
        self._texts.clear()
        self.changed = True

    def set(self, levels: Levels, depth: int) -> None:
        """All levels in order (a price may occur twice), then cut to the depth: nobody deletes what fell out."""
        keys, sizes, texts = self.keys, self.sizes, self._texts
        for price, size in levels:
            key = price * self._sign
            if size:
                if key not in sizes:
                    insort(keys, key)
                sizes[key] = size
                texts[key] = f"{price}{self._zeros}{size}"
            elif sizes.pop(key, 0):
                del keys[bisect_left(keys, key)], texts[key]
            if key <= self.tenth or len(keys) <= CHECKED_LEVELS:
                self.changed = True
        while depth and len(keys) > depth:
            key = keys.pop()
            del sizes[key], texts[key]

    def text(self) -> bytes:
        """The ten best as the checksum sees them."""
        best = self.keys[:CHECKED_LEVELS]
        self.tenth = best[-1] if best else 0
        self.changed = False
        return "".join(map(self._texts.__getitem__, best)).encode()

    def levels(self) -> Levels:
        """Best first."""
        sign, sizes = self._sign, self.sizes
        return tuple([(key * sign, sizes[key]) for key in self.keys])


class KrakenBook:
    """Levels of one instrument in ticks and lots. `depth` 0 keeps every level.

    `price_places` are the decimals Kraken writes prices with, where they are more than the tick needs.
    """

    __slots__ = ("_asks", "_asks_sum", "_bids", "_bids_text", "depth", "instrument", "price", "quantity")

    def __init__(self, instrument: Instrument, depth: int = 0, price_places: int | None = None) -> None:
        self.instrument = instrument
        self.depth = depth
        self.price = Scale(instrument.tick, least=1)
        self.quantity = Scale(instrument.lot)
        zeros = "0" * max((price_places or 0) - self.price.places, 0)
        self._bids = _Side(-1, zeros)
        self._asks = _Side(1, zeros)
        self._bids_text = b""
        self._asks_sum = 0

    def read(self, levels: list[WireLevel]) -> Levels:
        """Levels of a message as whole steps. Raises InvalidValueError for one that cannot be."""
        price, quantity = self.price.exact, self.quantity.usual
        read = []
        for one in levels:
            told, size = one.price, one.qty
            ticks = price(told if type(told) is str else number_text(told))
            read.append((ticks, quantity(size if type(size) is str else number_text(size))))
        return tuple(read)

    def replace(self, bids: Levels, asks: Levels) -> None:
        """A snapshot: nothing of the old book stays."""
        self.clear()
        self.apply(bids, asks)

    def clear(self) -> None:
        self._bids.clear()
        self._asks.clear()

    def apply(self, bids: Levels, asks: Levels) -> None:
        """Absolute sizes; 0 removes the level."""
        if bids:
            self._bids.set(bids, self.depth)
        if asks:
            self._asks.set(asks, self.depth)

    def checksum(self) -> int:
        """Kraken's CRC32 of the book as it stands (venues/kraken/book.py); unchanged halves are kept."""
        if self._asks.changed:
            self._asks_sum = crc32(self._asks.text())
        if self._bids.changed:
            self._bids_text = self._bids.text()
        return crc32(self._bids_text, self._asks_sum)

    @property
    def is_crossed(self) -> bool:
        bids, asks = self._bids.keys, self._asks.keys
        return bool(bids and asks) and -bids[0] >= asks[0]

    @property
    def best(self) -> tuple[int, int]:
        """Best bid and ask, 0 where the side is empty."""
        bids, asks = self._bids.keys, self._asks.keys
        return -bids[0] if bids else 0, asks[0] if asks else 0

    def levels(self) -> tuple[Levels, Levels]:
        """Bids from high to low and asks from low to high."""
        return self._bids.levels(), self._asks.levels()

    def best_words(self) -> str:
        """The best quotes for a message."""
        bid, ask = map(self.instrument.price, self.best)
        return f"bid {bid}, ask {ask}"


def number_text(number: Any) -> str:
    """The text of a number on the wire. Raises InvalidValueError for what is none."""
    if type(number) is str:
        return number
    if type(number) is int:
        return str(number)
    raise InvalidValueError(f"{number!r} is not a number")


def depth_of_snapshot(levels: int) -> int:
    """The subscribed depth, judged by what came."""
    return next((depth for depth in BOOK_DEPTHS if depth >= levels), levels)
