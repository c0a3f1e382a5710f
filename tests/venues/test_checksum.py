from __future__ import annotations

from zlib import crc32

from tests.plain_checksum import book_checksum

from triplegain.market.depth_book import DepthBook

# The worked example of Kraken's documentation, BTC/USD: prices in tenths, quantities in 1e-8.
ASKS = (
    (452852, 100000),
    (452864, 154571953),
    (452866, 154571109),
    (452896, 154560911),
    (452902, 15890660),
    (452918, 154553491),
    (452947, 4454749),
    (452961, 35380000),
    (452975, 9945542),
    (452995, 18772827),
)
BIDS = (
    (452835, 10000000),
    (452834, 154582015),
    (452821, 10000000),
    (452810, 10000000),
    (452803, 154592586),
    (452790, 7990000),
    (452776, 3310103),
    (452775, 30000000),
    (452773, 154602737),
    (452766, 15445238),
)


def test_the_documented_book_has_the_documented_checksum() -> None:
    book = DepthBook(depth=10)
    book.replace(BIDS, ASKS)
    assert book_checksum(book) == 3310070434


def test_only_the_ten_best_levels_of_a_side_count() -> None:
    book = DepthBook(depth=25)
    book.replace((*BIDS, (1, 1)), (*ASKS, (999999, 1)))
    assert book_checksum(book) == 3310070434
    book.apply(((452834, 154582016),), ())
    assert book_checksum(book) != 3310070434


def test_a_book_of_fewer_levels_is_checked_as_it_is() -> None:
    book = DepthBook()
    # The text is ask "11" + "10", then bid "10" + "5".
    book.replace(((10, 5),), ((11, 10),))
    assert book_checksum(book) == crc32(b"1110105")
