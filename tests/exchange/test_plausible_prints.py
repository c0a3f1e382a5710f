"""Which prints are believed, at the very bounds. Prices in ticks, quantities in lots."""

from __future__ import annotations

import pytest

from triplegain.domain.clock import Moment
from triplegain.exchange.book import OrderBook
from triplegain.exchange.plausible import DoubtsSeen, PrintCheck


def check(bids: dict[int, int] | None = None, asks: dict[int, int] | None = None) -> PrintCheck:
    book = OrderBook()
    book.replace((bids or {}).items(), (asks or {}).items(), 0, Moment(1))
    return PrintCheck(book)


@pytest.mark.parametrize(("price", "believed"), [(50, True), (49, False), (200, True), (201, False), (100, True)])
def test_half_and_twice_the_last_trade_are_believed(price: int, believed: bool) -> None:
    assert check().believes(price, 1, 100, False) is believed


@pytest.mark.parametrize(
    ("price", "believed"),
    # Near the bid of 100 alone, near the ask of 1000 alone, near neither.
    [(50, True), (200, True), (201, False), (499, False), (500, True), (2000, True), (2001, False), (49, False)],
)
def test_near_one_quote_is_enough(price: int, believed: bool) -> None:
    assert check({90: 1, 100: 1}, {1000: 1, 1100: 1}).believes(price, 1, None, True) is believed


@pytest.mark.parametrize("last", [10, 100_000])
def test_a_last_trade_that_was_a_slip_is_outvoted_by_the_book(last: int) -> None:
    assert check({100: 1}, {101: 1}).believes(100, 1, last, True)


def test_the_first_print_of_a_market_without_a_book_is_believed() -> None:
    assert check().believes(123, 1, None, False)


@pytest.mark.parametrize(
    ("bids", "asks", "lots", "believed"),
    [
        # All that is shown, times a million, and a lot more.
        ({100: 2}, {101: 1}, 3_000_000, True),
        ({100: 2}, {101: 1}, 3_000_001, False),
        ({100: 1, 99: 5}, {}, 6_000_000, True),
        ({100: 1, 99: 5}, {}, 6_000_001, False),
        ({100: 5, 99: 1}, {}, 6_000_001, False),
        ({}, {101: 1, 102: 5}, 6_000_001, False),
        ({}, {101: 5, 102: 1}, 6_000_001, False),
        ({100: 3}, {}, 3_000_000, True),
        ({100: 3}, {}, 3_000_001, False),
        ({}, {101: 3}, 3_000_000, True),
        ({}, {101: 3}, 3_000_001, False),
        # One lot is a million times nothing; without a book nobody can tell.
        ({100: 1}, {}, 1_000_000, True),
        ({100: 1}, {}, 1_000_001, False),
        ({}, {}, 10**15, True),
    ],
)
def test_no_more_than_a_million_times_what_the_book_shows(
    bids: dict[int, int], asks: dict[int, int], lots: int, believed: bool
) -> None:
    assert check(bids, asks).believes(100, lots, 100, True) is believed


def told(prices: list[int], has_book: bool = False) -> list[bool]:
    checking = check()
    return [checking.believes(price, 1, 100, has_book) for price in prices]


def test_ten_that_agree_are_believed_where_there_is_no_book_to_ask() -> None:
    assert told([500] * 11) == [False] * 9 + [True] * 2
    assert told([500] * 11, has_book=True) == [False] * 11


def test_those_that_do_not_agree_are_not() -> None:
    assert told([500, 5000] * 12) == [False] * 24


def test_they_agree_with_the_first_of_them_not_each_with_the_one_before() -> None:
    checking, seen = check(), list[DoubtsSeen]()
    for price in (500, 900, 1000, 1001):
        checking.believes(price, 1, 100, False)
        seen.append(checking.doubts)
    assert seen == [DoubtsSeen(1, 500), DoubtsSeen(2, 500), DoubtsSeen(3, 500), DoubtsSeen(1, 1001)]


def test_one_that_is_believed_ends_the_doubts() -> None:
    checking = check()
    checking.believes(500, 1, 100, False)
    assert checking.believes(110, 1, 100, False)
    assert checking.doubts == DoubtsSeen(0, 0)
