"""How orders meet a book: takers walk it, makers wait their turn in it.

Every function works on one market's book and our own resting orders, in integers, and reports fills to the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from typing import Any

from triplegain.domain.clock import Moment
from triplegain.domain.orders import OrderStatus, SelfTradePrevention
from triplegain.domain.queue_path import QueueChange
from triplegain.exchange.account_book import AccountBook
from triplegain.exchange.book import ASK, is_better, reaches
from triplegain.exchange.charges import paid_for
from triplegain.exchange.engine import Engine
from triplegain.exchange.ladder import Ladder
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.queue import UNKNOWN_AHEAD, QueueEstimator, is_unknown
from triplegain.exchange.resting import RestingOrders

SELF_TRADE = "self-trade prevention"


class Matcher:
    """The rules of one instrument's matching, over its book and our resting orders."""

    def __init__(self, book: AccountBook, resting: RestingOrders, engine: Engine, queue: QueueEstimator) -> None:
        self._book = book
        self._public = book.public
        self._resting = resting
        self._engine = engine
        self._queue = queue

    # -- takers --------------------------------------------------------------------------------------------------

    def take(self, order: WorkingOrder, limit: int | None, cause: dict[str, Any]) -> None:
        """Walk the opposite side up to `limit` (None: all that is visible), one fill per level.

        Stops at our own orders: self-trade prevention ends the newer, the older, or both, never fills.
        """
        opposite = 1 - order.side
        own = self._resting.levels[opposite]
        cause = {**cause, "book": None}
        for price in self._prices(opposite, limit):
            while own.get(price):
                first = own[price][0]
                goes_on = self._take_level(order, price, self._in_front(first), cause)
                if not goes_on or not self._prevent_self_trade(order, first):
                    return
            if not self._take_level(order, price, order.left, cause):
                return

    def _in_front(self, own: WorkingOrder) -> int:
        """Public lots that stand before an order of ours; what this account took came off the front."""
        return max(own.ahead - self._book.taken[own.side].get(own.price, 0), 0)

    def size_by_cost(self, order: WorkingOrder) -> None:
        """How much a purchase that names its cost gets of what is there; what the book cannot give is counted at the
        last price that it shows, or where only an order of our own stands, at that."""
        unit, own = order.instrument.atoms_per_tick_lot, self._resting.prices[ASK]
        price = own[0] if own else 0
        lots, money = 0, order.budget
        for price, size in self._book.walk(ASK, None):
            here = min(size, money // (price * unit))
            lots, money = lots + here, money - paid_for(order, price, here)
            if here < size:
                break
        order.lots = order.left = lots + (money // (price * unit) if price else 0)

    def takes_all(self, order: WorkingOrder) -> bool:
        """Whether the order could fill at once, whole, within its limit; what lies behind an order of our own does not
        count."""
        opposite, needed = 1 - order.side, order.left
        own = self._resting.best[opposite]
        for price, size in self._book.walk(opposite, order.price):
            if price == own:
                size = min(size, self._in_front(self._resting.levels[opposite][price][0]))
            if reaches(order.side, price, own):
                return size >= needed if price == own else False
            needed -= size
            if needed <= 0:
                return True
        return False

    def _prices(self, side: int, limit: int | None) -> Iterator[int]:
        """Where the book or one of our own orders stands on `side`, from the best price to `limit` (None: to the last).

        Our own may be cancelled on the way.
        """
        public, own = self._public.prices[side], self._resting.best_first(side)
        prices = merge(public, own) if side else merge(reversed(public), own, reverse=True)
        before = None
        for price in prices:
            if limit is not None and not reaches(1 - side, limit, price):
                return
            if price != before:
                yield price
            before = price

    def _take_level(self, order: WorkingOrder, price: int, most: int, cause: dict[str, Any]) -> bool:
        """Up to `most` lots of what is there; False where the order is filled or its funds are at their end."""
        opposite = 1 - order.side
        available = self._book.available(opposite, price)
        wanted = lots = min(available, most, order.left)
        if lots > 0 and order.side == 0:
            lots = self._engine.affordable(order, price, lots)
        if lots > 0:
            if cause["book"] is None:
                # As it was before the first of its fills.
                cause["book"] = self._book.ladder()
            level = {"displayed": self._public.displayed(opposite, price), "available": available}
            self._book.take(opposite, price, lots)
            self._engine.fill(order, price, lots, False, "book", {**cause, "level": level})
        return order.left > 0 and lots == wanted

    def _prevent_self_trade(self, order: WorkingOrder, resting: WorkingOrder) -> bool:
        """Whether the incoming order may go on."""
        rule = order.request.self_trade
        if rule is not SelfTradePrevention.CANCEL_NEWEST:
            self._resting.remove(resting)
            self._engine.finish(resting, OrderStatus.CANCELLED, SELF_TRADE)
        if rule is not SelfTradePrevention.CANCEL_OLDEST:
            self._engine.finish(order, OrderStatus.CANCELLED, SELF_TRADE)
            return False
        return True

    # -- makers --------------------------------------------------------------------------------------------------

    def queue_ahead(self, side: int, price: int) -> int:
        """Lots displayed at a price, none where the other side is displayed as well; unknown where the book cannot be
        seen."""
        opposite = self._public.best(1 - side)
        if opposite is not None and reaches(side, price, opposite):
            return 0
        displayed = self._public.displayed(side, price)
        if not displayed and not self._public.in_sight(side, price):
            return UNKNOWN_AHEAD
        return displayed

    def level_changed(
        self, side: int, price: int, before: int, after: int, explained: int, moment: Moment, tape: Moment
    ) -> None:
        """A level we queue at has a new size: `explained` lots of a shrink are trades, the rest of it is cancels.

        Until the tape (known up to `tape`) is past a shrink, the print of the trade that caused it may still come.
        """
        there = before - explained
        cancelled = there - after
        ahead_after, touch = self._queue.ahead_after, self._engine.touch
        for order in self._resting.levels[side][price]:
            touch(order.key)
            told_late = cancelled < 0 and moment < order.stands_ns
            if told_late:
                # Told late: who came before its order did stands in front of it.
                order.ahead_at_arrival -= cancelled
                order.ahead_before -= cancelled
                order.ahead -= cancelled
            if tape > order.shrunk_ns:
                order.ahead_before = order.ahead
            # A level that comes into sight is one whose queue shrinks to it.
            if after < before or after < order.ahead:
                order.shrunk_ns = moment
            order.ahead = ahead = ahead_after(order.ahead, there, cancelled, after)
            if abs(ahead - order.queue_noted) >= order.queue_step:
                why = QueueChange.TOLD_LATE if told_late else QueueChange.CANCELLED
                self._note(order, QueueChange.SHOWN_ANEW if is_unknown(order.queue_noted) else why)

    def shown_anew(self, moment: Moment, tape: Moment) -> None:
        """A snapshot: no more stands in front than it shows, which is a shrink like any other; out of sight all stays
        as it was."""
        for order in self._resting.all():
            if self._public.in_sight(order.side, order.price):
                ahead = min(order.ahead, self._public.displayed(order.side, order.price))
                if ahead < order.ahead:
                    if tape > order.shrunk_ns:
                        order.ahead_before = order.ahead
                    order.ahead, order.shrunk_ns = ahead, moment
                    self._engine.touch(order.key)
                    if abs(ahead - order.queue_noted) >= order.queue_step:
                        self._note(order, QueueChange.SHOWN_ANEW)

    def _note(self, order: WorkingOrder, why: QueueChange) -> None:
        """A queue has moved by enough to be told."""
        self._engine.paths.note(order, self._engine.now_ns, why)

    def _note_traded(self, order: WorkingOrder, why: QueueChange) -> None:
        """The same by a trade, be it that the book had shown it as a queue that shrinks."""
        moved, traded = abs(order.ahead - order.queue_noted), order.queue_traded - order.queue_traded_noted
        if max(moved, traded) >= order.queue_step:
            self._note(order, why)

    def trade(self, side: int, price: int, lots: int, moment: Moment) -> None:
        """A public trade hit `side` at `price`: our better orders fill first, then the queue at the price moves.

        Orders that did not stand yet at its moment have no part in it.
        """
        cause = {"event": "trade", "time_ns": moment, "price": price, "quantity": lots, "book": None}
        remaining = self.trade_through(side, price, lots, moment, cause)
        level = self._resting.levels[side].get(price)
        if level and remaining:
            self._advance_queue(list(level), remaining, moment, cause)

    def trade_through(self, side: int, price: int, lots: int, moment: Moment, cause: dict[str, Any]) -> int:
        """It fills our orders at better prices, each at its own; what is left of it for the queue at its price."""
        remaining = lots
        better = self._resting.best[side] != price
        for order in self._resting.in_priority(side) if better else ():
            if not is_better(side, order.price, price):
                break
            if order.stands_ns > moment or not order.left:
                continue
            ahead = order.ahead
            if moment <= order.shrunk_ns and not is_unknown(order.ahead_before):
                # The book was first: what had left it may be what this trade took.
                ahead = order.ahead_before
            # Nobody is left in front: how many of them were traded and how many had gone is not known.
            order.ahead = order.ahead_before = 0
            self._engine.touch(order.key)
            self._note_traded(order, QueueChange.PASSED)
            if remaining:
                remaining -= self._fill_maker(order, remaining, moment, "trade_through", ahead, cause)
        return remaining

    def _advance_queue(self, level: list[WorkingOrder], lots: int, moment: Moment, cause: dict[str, Any]) -> None:
        """Public quantity in front is traded first, then we are, in order of arrival; never more than the trade.

        The trade may be the one that made the level shrink before: then it is counted from the queue of before.
        """
        public_gone, remaining = 0, lots
        for order in level:
            if order.stands_ns > moment or not order.left:
                continue
            seen = moment <= order.shrunk_ns
            ahead = order.ahead_before if seen else order.ahead
            passing = min(remaining, max(ahead - public_gone, 0))
            public_gone += passing
            remaining -= passing
            order.ahead_before = max(order.ahead_before - public_gone, 0)
            order.ahead = min(order.ahead, order.ahead_before) if seen else max(order.ahead - public_gone, 0)
            self._engine.touch(order.key)
            order.queue_traded += min(public_gone, ahead)
            self._note_traded(order, QueueChange.TRADED)
            if remaining:
                remaining -= self._fill_maker(order, min(remaining, order.in_book), moment, "queue", ahead, cause)

    def _fill_maker(
        self, order: WorkingOrder, lots: int, moment: Moment, model: str, ahead: int, cause: dict[str, Any]
    ) -> int:
        lots = min(lots, order.left)
        if cause.get("book", False) is None:
            # Most trades fill nothing of ours: only the first that one does fill looks. The trade itself is already
            # taken off what could be had.
            cause["book"] = self._book.displayed()
        self._engine.fill(order, order.price, lots, True, model, {**cause, "queue_ahead": ahead})
        if not order.left:
            self._resting.remove(order)
        elif order.shown:
            order.shown = max(order.shown - lots, 0)
            if not order.shown:
                self._refill(order, moment)
        return lots

    def _refill(self, order: WorkingOrder, moment: Moment) -> None:
        """The next slice of an iceberg, at the back of the queue: what the book shows at its price is in front."""
        self._resting.remove(order)
        order.show_slice()
        order.stands_ns = max(order.stands_ns, moment)
        order.ahead = order.ahead_before = self.queue_ahead(order.side, order.price)
        self._resting.add(order)
        self._engine.paths.refill(order, self._engine.now_ns)
        self._engine.refilled(order)

    def opposite_quotes(self, side: int, moment: Moment) -> None:
        """The book shows quotes at or through our resting orders of `side`: they fill at their own price.

        Bounded by what is displayed and not yet taken; the quote is remembered as taken. A book from before an order
        stood says nothing about it.
        """
        opposite = 1 - side
        best = self._public.best(opposite)
        if best is None:
            return
        for order in self._resting.in_priority(side):
            if not reaches(side, order.price, best):
                return
            if order.stands_ns > moment or not order.left:
                continue
            seen: Ladder | None = None
            for price, size in self._book.walk(opposite, order.price):
                lots, seen = min(size, order.left), seen or self._book.ladder()
                self._book.take(opposite, price, lots)
                cause = {"event": "quote", "time_ns": moment, "price": price, "quantity": size, "book": seen}
                self._fill_maker(order, lots, moment, "quote_through", order.ahead, cause)
                if not order.left:
                    break
