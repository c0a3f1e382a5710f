"""The matcher on its own: what each event does to the places of resting orders, and what a taker asks for.

Quantities in lots, prices in ticks; nothing is booked, what would be is written down.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from tests.exchange.conftest import INSTRUMENT
from tests.exchange.written_engine import Written, working

from triplegain.domain.clock import Moment
from triplegain.domain.orders import SelfTradePrevention
from triplegain.domain.terms import Iceberg
from triplegain.exchange.account_book import AccountBook
from triplegain.exchange.book import ASK, BID, OrderBook
from triplegain.exchange.matching import SELF_TRADE, Matcher
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.queue import UNKNOWN_AHEAD, QueueEstimator, leavers
from triplegain.exchange.resting import RestingOrders
from triplegain.exchange.settings import ExchangeSettings, QueueModel

UNIT = INSTRUMENT.atoms_per_tick_lot


class Place(NamedTuple):
    ahead: int
    before: int
    shrunk: int


class Market:
    def __init__(self, model: QueueModel = QueueModel.BACK_OF_QUEUE) -> None:
        self.public = OrderBook()
        self.book = AccountBook(self.public, lambda side, price: None)
        self.resting = RestingOrders(lambda side, price: None, lambda side, price: None)
        self.engine = Written()
        self.matcher = Matcher(
            self.book, self.resting, self.engine, QueueEstimator(leavers(ExchangeSettings(queue_model=model)), 1)
        )

    def rest(self, name: str, side: int, price: int, lots: int, place: Place | None = None) -> WorkingOrder:
        order = working(name, side, price, lots)
        if place is not None:
            order.ahead, order.ahead_before, order.shrunk_ns = place.ahead, place.before, Moment(place.shrunk)
        self.resting.add(order)
        return order


def place(order: WorkingOrder) -> Place:
    return Place(order.ahead, order.ahead_before, order.shrunk_ns)


@pytest.mark.parametrize(
    ("was", "before", "after", "explained", "tape", "model", "becomes"),
    [
        # 10 stand in front, 20 are shown; the level shrinks by 4 at moment 50.
        # The tape is past the last shrink (30): nothing of it can come any more, 10 is the queue of before.
        (Place(10, 7, 30), 20, 16, 0, 31, "back_of_queue", Place(10, 10, 50)),
        # It is not, be it of the same moment: the print of that shrink may still come, and counts from 7.
        (Place(10, 7, 30), 20, 16, 0, 30, "back_of_queue", Place(10, 7, 50)),
        # A level that stays or grows has not shrunk, with no more in front than it shows, be it all.
        (Place(10, 7, 30), 20, 20, 0, 30, "back_of_queue", Place(10, 7, 30)),
        (Place(10, 7, 30), 8, 10, 0, 30, "back_of_queue", Place(10, 7, 30)),
        # One that comes into sight shows fewer than were thought to be there.
        (Place(UNKNOWN_AHEAD, 7, 30), 0, 12, 0, 30, "back_of_queue", Place(12, 7, 50)),
        # Shrunk to less than stood in front.
        (Place(10, 7, 30), 20, 6, 0, 30, "back_of_queue", Place(6, 7, 50)),
        # 20 less 10 that were traded, then 2 left: a fifth of these 10, one of the 5 in front.
        (Place(5, 7, 30), 20, 8, 10, 30, "proportional", Place(4, 7, 50)),
        # One left, and the first draw of seed 1 says that it stood in front.
        (Place(1, 7, 30), 2, 1, 0, 30, "probabilistic", Place(0, 7, 50)),
        # Trades alone took the 4: nobody has left.
        (Place(10, 7, 30), 20, 16, 4, 30, "proportional", Place(10, 7, 50)),
    ],
)
def test_a_level_with_a_new_size(
    was: Place, before: int, after: int, explained: int, tape: int, model: str, becomes: Place
) -> None:
    market = Market(QueueModel(model))
    order = market.rest("o", BID, 100, 5, was)
    market.matcher.level_changed(BID, 100, before, after, explained, Moment(50), Moment(tape))
    assert place(order) == becomes


@pytest.mark.parametrize(
    ("stands", "after", "ahead"),
    [
        # Three more were there before the order came, and are told after it: they stand in front of it.
        (51, 23, (13, 13, 13)),
        # They came with it, or after it.
        (50, 23, (10, 10, 10)),
        (51, 20, (10, 10, 10)),
        (51, 18, (10, 10, 10)),
    ],
)
def test_who_came_before_an_order_and_is_told_late_stands_in_front_of_it(
    stands: int, after: int, ahead: tuple[int, int, int]
) -> None:
    market = Market()
    order = market.rest("o", BID, 100, 5, Place(10, 10, 30))
    order.stands_ns, order.ahead_at_arrival = Moment(stands), 10
    market.matcher.level_changed(BID, 100, 20, after, 0, Moment(50), Moment(30))
    assert (order.ahead_at_arrival, order.ahead_before, order.ahead) == ahead


@pytest.mark.parametrize(
    ("was", "shown", "tape", "becomes"),
    [
        (Place(10, 7, 30), 6, 31, Place(6, 10, 50)),
        (Place(10, 7, 30), 6, 30, Place(6, 7, 50)),
        # As many as before, or more: no shrink.
        (Place(10, 7, 30), 10, 31, Place(10, 7, 30)),
        (Place(10, 7, 30), 11, 31, Place(10, 7, 30)),
        # Not there any more, in sight.
        (Place(10, 7, 30), 0, 31, Place(0, 10, 50)),
    ],
)
def test_a_snapshot_is_a_shrink_where_it_shows_less(was: Place, shown: int, tape: int, becomes: Place) -> None:
    market = Market()
    order = market.rest("o", BID, 100, 5, was)
    market.public.set_level(BID, 100, shown)
    market.matcher.shown_anew(Moment(50), Moment(tape))
    assert place(order) == becomes


@pytest.mark.parametrize(
    ("first", "second", "lots", "moment", "fills", "places"),
    [
        # 5 in front of both, the first of 4 lots: 5 pass, 3 fill it in part.
        (Place(5, 5, 30), Place(5, 5, 30), 8, 50, [("a", 3)], (Place(0, 0, 30), Place(0, 0, 30))),
        # 5 pass, 4 fill it, 1 is left for the second, which nobody stands before any more.
        (Place(5, 5, 30), Place(5, 5, 30), 10, 50, [("a", 4), ("b", 1)], (Place(0, 0, 30), Place(0, 0, 30))),
        # Before the second stand 3 more.
        (Place(5, 5, 30), Place(8, 9, 30), 13, 50, [("a", 4), ("b", 1)], (Place(0, 0, 30), Place(0, 1, 30))),
        # What has passed already for the first is more than the second ever had before it.
        (Place(5, 5, 30), Place(3, 3, 30), 10, 50, [("a", 4), ("b", 1)], (Place(0, 0, 30), Place(0, 0, 30))),
        # Not enough for those in front: 6 of both are left.
        (Place(10, 10, 30), Place(12, 15, 30), 4, 50, [], (Place(6, 6, 30), Place(8, 11, 30))),
        # The print of a shrink that has been seen: it counts from the 10 of before, and 2 stay in front.
        (Place(2, 10, 60), Place(2, 10, 60), 4, 50, [], (Place(2, 6, 60), Place(2, 6, 60))),
        (Place(2, 10, 50), Place(2, 10, 50), 9, 50, [], (Place(1, 1, 50), Place(1, 1, 50))),
        (Place(2, 10, 50), Place(0, 0, 30), 11, 50, [("a", 1)], (Place(0, 0, 50), Place(0, 0, 30))),
        # Of an older moment than the shrink is for one of them only.
        (Place(2, 10, 60), Place(2, 2, 30), 4, 50, [], (Place(2, 6, 60), Place(0, 0, 30))),
    ],
)
def test_a_trade_at_the_price_of_two(
    first: Place, second: Place, lots: int, moment: int, fills: list[tuple[str, int]], places: tuple[Place, Place]
) -> None:
    market = Market()
    one, two = market.rest("a", BID, 100, 4, first), market.rest("b", BID, 100, 4, second)
    market.matcher.trade(BID, 100, lots, Moment(moment))
    assert [(name, size) for name, size, _ in market.engine.fills] == fills
    assert (place(one), place(two)) == places


def test_a_trade_through_a_price_leaves_nobody_in_front_of_it() -> None:
    """Of 3 lots the better order gets all; the other one of its price none, and stands first from then on."""
    market = Market()
    one, two = market.rest("a", BID, 101, 3, Place(5, 6, 9)), market.rest("b", BID, 101, 4, Place(8, 9, 9))
    market.matcher.trade(BID, 100, 3, Moment(50))
    assert market.engine.fills == [("a", 3, 101)]
    assert (place(one), place(two)) == (Place(0, 0, 9), Place(0, 0, 9))


@pytest.mark.parametrize(("stood", "stands"), [(40, 50), (60, 60)])
def test_the_next_slice_stands_since_the_trade_that_took_the_last_one(stood: int, stands: int) -> None:
    """It joins behind the 7 that the book shows; a late trade finds one that stands since later."""
    market = Market()
    order = working("i", BID, 100, 5, terms=Iceberg(INSTRUMENT.price(100), INSTRUMENT.quantity(2)))
    order.show_slice()
    order.stands_ns = Moment(stood)
    market.resting.add(order)
    market.public.set_level(BID, 100, 7)
    market.matcher._fill_maker(order, 2, Moment(50), "queue", 0, {})
    assert (order.left, order.shown, order.stands_ns, market.engine.refilled_orders) == (3, 2, stands, ["i"])
    assert (order.ahead, order.ahead_before) == (7, 7)


def test_what_is_left_of_a_slice_stays_where_it_is() -> None:
    market = Market()
    order = working("i", BID, 100, 5, terms=Iceberg(INSTRUMENT.price(100), INSTRUMENT.quantity(3)))
    order.show_slice()
    market.resting.add(order)
    market.matcher._fill_maker(order, 2, Moment(50), "queue", 0, {})
    assert (order.shown, market.engine.refilled_orders) == (1, [])


@pytest.mark.parametrize(
    ("side", "lots", "levels", "funds", "fills", "asked"),
    [
        # To the last lot, each of its level; a sale asks for no funds.
        (ASK, 3, {99: 2, 98: 5}, 0, [(2, 99), (1, 98)], []),
        (ASK, 1, {99: 2}, 0, [(1, 99)], []),
        (BID, 3, {101: 2, 102: 5}, 9, [(2, 101), (1, 102)], [2, 1]),
        (BID, 1, {101: 2}, 0, [], [1]),
        (BID, 1, {101: 1}, 1, [(1, 101)], [1]),
        # Where the funds are at their end nothing dearer is asked for.
        (BID, 5, {101: 2, 102: 5}, 1, [(1, 101)], [2]),
    ],
)
def test_a_taker_walks_the_book(
    side: int, lots: int, levels: dict[int, int], funds: int, fills: list[tuple[int, int]], asked: list[int]
) -> None:
    market = Market()
    market.engine.funds = funds
    for price, size in levels.items():
        market.public.set_level(1 - side, price, size)
    market.matcher.take(working("t", side, 0, lots), None, {})
    assert [(size, price) for _, size, price in market.engine.fills] == fills
    assert market.engine.asked == asked


def test_what_the_tape_has_taken_of_a_level_is_asked_for_by_nobody() -> None:
    market = Market()
    market.public.set_level(ASK, 101, 2)
    market.public.record_print(ASK, 101, 2, Moment(9))
    market.matcher.take(working("t", BID, 0, 3), None, {})
    assert (market.engine.fills, market.engine.asked) == ([], [])


@pytest.mark.parametrize(
    ("levels", "own", "money", "lots"),
    [
        # 7 x 100 + 2 x 110 of 950; 30 buy nothing more.
        ({100: 7, 110: 9}, (), 950, 9),
        # What the book does not show counts at its last price.
        ({100: 7}, (), 950, 9),
        # All of it at the first price, with some left.
        ({100: 9, 110: 9}, (), 250, 2),
        # Only orders of our own stand there: at the better of them.
        ({}, (100, 120), 950, 9),
        # Nobody at all: nothing.
        ({}, (), 950, 0),
    ],
)
def test_how_much_a_purchase_by_cost_is_sized_to(
    levels: dict[int, int], own: tuple[int, ...], money: int, lots: int
) -> None:
    """Sizes and prices in hundred thousands, where nothing is rounded."""
    market, many = Market(), 10**5
    market.rest("bid", BID, 50, 1)
    for price in own:
        market.rest(f"own {price}", ASK, price, many)
    for price, size in levels.items():
        market.public.set_level(ASK, price, size * many)
    order = working("c", BID, 0, 0)
    order.cost = money * many * UNIT
    market.matcher.size_by_cost(order)
    assert (order.lots // many, order.left // many) == (lots, lots)


@pytest.mark.parametrize(
    ("needed", "whole"),
    [(2, True), (3, True), (4, False), (9, False)],
)
def test_what_stands_before_the_first_of_our_own_is_all_that_counts(needed: int, whole: bool) -> None:
    """2 at 100, and 9 at 101, of which 1 stands before the first of our own there, 5 before the second."""
    market = Market()
    market.public.set_level(ASK, 100, 2)
    market.public.set_level(ASK, 101, 9)
    market.rest("first", ASK, 101, 4, Place(1, 1, 0))
    market.rest("second", ASK, 101, 4, Place(5, 5, 0))
    assert market.matcher.takes_all(working("k", BID, 101, needed)) is whole


def test_an_own_order_that_stays_in_the_way_ends_the_walk() -> None:
    market = Market()
    market.public.set_level(ASK, 101, 3)
    market.rest("own", ASK, 100, 4)
    taker = working("t", BID, 101, 3, self_trade=SelfTradePrevention.CANCEL_NEWEST)
    market.matcher.take(taker, 101, {})
    assert (market.engine.fills, market.engine.finished) == ([], [("t", SELF_TRADE)])
    assert market.resting.best[ASK] == 100
