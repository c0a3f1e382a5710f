"""The book at its edges: what is out of sight, what depth leaves, and prints as old as a snapshot."""

from __future__ import annotations

import pytest

from triplegain.domain.clock import Moment
from triplegain.exchange.account_book import AccountBook
from triplegain.exchange.book import ASK, BID, NO_PRICES, OrderBook, is_better, reaches


def book(bids: dict[int, int], asks: dict[int, int], depth: int = 0, moment: int = 5) -> OrderBook:
    made = OrderBook()
    made.reach(Moment(1))
    made.replace(bids.items(), asks.items(), depth, Moment(moment))
    made.reach(Moment(moment))
    return made


def test_of_a_book_that_is_not_there_nothing_is_out_of_sight() -> None:
    empty = OrderBook()
    assert [empty.in_sight(side, price) for side in (BID, ASK) for price in (1, 10**15)] == [True] * 4
    assert (empty.best(BID), empty.best(ASK), empty.is_known, empty.is_crossed()) == (None, None, False, False)


@pytest.mark.parametrize(
    ("depth", "bids", "asks", "out_of_sight"),
    [
        (0, [100, 99, 98], [101, 102, 103], (97, 104)),
        (2, [100, 99], [101, 102], (98, 103)),
        (1, [100], [101], (99, 102)),
        (3, [100, 99, 98], [101, 102, 103], (97, 104)),
    ],
)
def test_beyond_the_depth_levels_are_out_of_sight(
    depth: int, bids: list[int], asks: list[int], out_of_sight: tuple[int, int]
) -> None:
    cut = book({98: 1, 99: 2, 100: 3}, {101: 1, 102: 2, 103: 3}, depth)
    shown_bids, shown_asks = cut.best_first()
    assert ([price for price, _ in shown_bids], [price for price, _ in shown_asks]) == (bids, asks)
    assert [cut.displayed(BID, price) > 0 for price in (98, 99, 100)] == [price in bids for price in (98, 99, 100)]
    assert [cut.displayed(ASK, price) > 0 for price in (101, 102, 103)] == [price in asks for price in (101, 102, 103)]
    below, above = out_of_sight
    assert (cut.in_sight(BID, below), cut.in_sight(BID, below + 1)) == (False, True)
    assert (cut.in_sight(ASK, above), cut.in_sight(ASK, above - 1)) == (False, True)


def test_where_nobody_stands_no_price_reaches() -> None:
    assert not reaches(BID, NO_PRICES[BID], 1)
    assert not reaches(ASK, NO_PRICES[ASK], 10**18)
    assert is_better(BID, 1, NO_PRICES[BID]) and is_better(ASK, 10**18, NO_PRICES[ASK])


def test_of_fewer_levels_than_the_depth_all_are_in_sight() -> None:
    thin = book({100: 3}, {101: 1}, depth=2)
    assert (thin.in_sight(BID, 1), thin.in_sight(ASK, 10**15)) == (True, True)


@pytest.mark.parametrize(("printed", "available"), [(4, 3), (5, 3), (6, 1), (7, 1)])
def test_a_snapshot_has_the_prints_up_to_its_moment_in_it(printed: int, available: int) -> None:
    made = book({100: 9}, {101: 9}, moment=3)
    made.record_print(BID, 100, 2, Moment(printed))
    made.replace({100: 3}.items(), {101: 9}.items(), 0, Moment(5))
    assert made.available(BID, 100) == available


def test_a_level_removed_and_set_again_is_where_it_was() -> None:
    made = book({98: 1, 99: 2, 100: 3}, {101: 1})
    assert (made.set_level(BID, 99, 0), made.set_level(BID, 99, 0), made.set_level(BID, 99, 5)) == (2, 0, 0)
    assert made.set_level(BID, 99, 6) == 5
    assert made.best_first()[0] == ((100, 3), (99, 6), (98, 1))


@pytest.mark.parametrize(("size", "taken", "available"), [(10, 4, 6), (5, 4, 1), (4, 4, 0), (3, 3, 0), (0, 0, 0)])
def test_what_was_taken_falls_with_what_is_shown(size: int, taken: int, available: int) -> None:
    public, touched = book({100: 9}, {101: 9}), list[tuple[int, int]]()
    made = AccountBook(public, lambda side, price: touched.append((side, price)))
    made.take(BID, 100, 4)
    public.set_level(BID, 100, size)
    made.level_changed(BID, 100, size)
    assert (made.taken[BID].get(100, 0), made.available(BID, 100)) == (taken, available)
    assert touched == [(BID, 100)] * (1 if taken == 4 else 2)
