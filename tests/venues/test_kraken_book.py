from __future__ import annotations

from decimal import Decimal
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plain_checksum import book_checksum

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.market.depth_book import DepthBook
from triplegain.venues.kraken.book import KrakenBook, depth_of_snapshot
from triplegain.venues.kraken.wire.frames import WireLevel

INSTRUMENT = Instrument("BTC/USD", Decimal("0.1"), Decimal("1e-8"), Decimal("0.0001"), Decimal("0.5"))

_LEVELS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=4).map(tuple)


@given(st.sampled_from([0, 3, 10, 12]), st.lists(st.tuples(_LEVELS, _LEVELS, st.booleans()), max_size=30))
def test_book_and_checksum_are_those_of_the_plain_book_after_every_message(
    depth: int, messages: list[tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...], bool]]
) -> None:
    book, plain = KrakenBook(INSTRUMENT, depth), DepthBook(depth)
    for bids, asks, is_snapshot in messages:
        for one in (book, plain):
            (one.replace if is_snapshot else one.apply)(bids, asks)
        assert book.levels() == plain.levels()
        assert book.best == (plain.best_bid, plain.best_ask) and book.is_crossed == plain.is_crossed
        assert book.checksum() == book_checksum(plain)


def test_the_tenth_level_counts_and_the_eleventh_does_not() -> None:
    book = KrakenBook(INSTRUMENT, 25)
    book.replace((), tuple((price, 5) for price in range(1, 13)))
    before = book.checksum()
    book.apply((), ((11, 6),))
    assert book.checksum() == before
    book.apply((), ((10, 6),))
    assert book.checksum() != before


def test_a_price_written_with_more_places_than_its_tick_is_checked_as_it_is_written() -> None:
    # 0.5 is written 0.500, which leaves 500 without point and leading zeros; then the size 7.
    book = KrakenBook(INSTRUMENT, 10, price_places=3)
    book.replace((), ((5, 7),))
    assert book.checksum() == crc32(b"5007")


def test_numbers_are_read_with_and_without_a_point() -> None:
    book = KrakenBook(INSTRUMENT)
    levels = [WireLevel("100.5", "0.00000001"), WireLevel(100, 2), WireLevel("1e2", "1E-8")]
    assert book.read(levels) == ((1005, 1), (1000, 2 * 10**8), (1000, 1))


@pytest.mark.parametrize("price", ["0.0", "-1.0", "1.05", "x", "NaN", "1e400", True, None, [1], {}, "", "9" * 5000])
def test_a_price_that_cannot_be_is_refused(price: object) -> None:
    with pytest.raises(InvalidValueError):
        KrakenBook(INSTRUMENT).read([WireLevel(price, "1.0")])


@pytest.mark.parametrize(("levels", "depth"), [(0, 10), (10, 10), (11, 25), (100, 100), (1000, 1000), (1001, 1001)])
def test_the_depth_is_the_smallest_that_holds_the_snapshot(levels: int, depth: int) -> None:
    assert depth_of_snapshot(levels) == depth
