"""Kraken's checksum computed the slow way, from a whole book."""

from __future__ import annotations

from triplegain.market.depth_book import DepthBook
from triplegain.venues.kraken.book import CHECKED_LEVELS, checksum_of


def book_checksum(book: DepthBook) -> int:
    return checksum_of(*(side[:CHECKED_LEVELS] for side in book.levels()))
