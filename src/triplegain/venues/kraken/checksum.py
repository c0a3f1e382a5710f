"""Kraken's CRC32 over the top of a book."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from triplegain.domain.market import Level
from triplegain.market.depth_book import DepthBook

#: The ten best levels of each side are covered, whatever depth is subscribed.
CHECKED_LEVELS = 10


def book_checksum(book: DepthBook) -> int:
    """Kraken's CRC32 of a book."""
    return checksum_of(*book.best(CHECKED_LEVELS))


def checksum_of(bids: Sequence[Level], asks: Sequence[Level]) -> int:
    """Kraken's CRC32 of the best levels of a book, best first.

    Its text is price and size without point and leading zeros, asks first: with prices in ticks and sizes in lots of
    the precision Kraken writes, that is the plain whole number, also where a file has lost trailing zeros.
    """
    return crc32("".join([f"{price}{quantity}" for price, quantity in (*asks, *bids)]).encode())
