"""How the reference exchange fills where only the tape is known: by the next trade, and by trades through a price."""

from __future__ import annotations

from fractions import Fraction
from typing import assert_never

from tests.exchange.reference_book import better
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_simple import ENDS, ReferenceSimple

from triplegain.domain.market import (
    BestQuote,
    BookUpdate,
    CandleClosed,
    FeedState,
    FeedStatus,
    Heartbeat,
    MarketEvent,
    PastCandles,
    PublicTrade,
    TimePassed,
)
from triplegain.domain.orders import TimeInForce

_AT_ONCE = tuple(ENDS)


class ReferenceOnTape(ReferenceSimple):
    def on_market(self, event: MarketEvent) -> None:
        match event:
            case PublicTrade():
                self._on_trade(event)
            case FeedStatus():
                self._on_status(event.state)
            case BookUpdate() | BestQuote() | CandleClosed() | PastCandles() | Heartbeat() | TimePassed():
                pass
            case _ as never:
                assert_never(never)

    def _on_status(self, state: FeedState) -> None:
        was_closed, was_unseen = self.is_closed, self.is_blind
        self.state = state
        if self.is_back(was_closed, was_unseen):
            self.on_opening()
        if self.is_matched:
            for order in self._in_turn():
                if order.reached is not None and order.name in self.open:
                    self.wake_by_tape(order, order.reached, self.now_ns)

    def _on_trade(self, trade: PublicTrade) -> None:
        if self.book.doubts(trade, is_seen=False):
            return
        moment = trade.exchange_time_ns
        self.book.take(trade)
        if moment == self.book.tape_ns:
            self.trail(trade)
        self._room = trade.quantity
        standing = [order for order in self._in_turn() if moment >= order.stands_ns]
        # Nothing is filled for a time whose trades cannot be had; stops that it reaches are kept.
        is_missed = self.state is FeedState.MISSED
        for order in [order for order in standing if not order.asleep and not is_missed]:
            if order.name not in self.open:
                continue
            if self.is_matched:
                self._meet(order, trade.price)
            elif order.limit is not None and better(order.side, order.limit, trade.price):
                self._fill_waiting(order)
        for order in [order for order in standing if order.asleep]:
            is_reached = order.is_reached(trade.price) or (self.is_away and order.reached is not None)
            if is_reached and order.name in self.open:
                self.reach(order, trade.price, moment)

    # -- stops -----------------------------------------------------------------------------------------------------

    def reach(self, order: ReferenceOrder, price: int, moment: int) -> None:
        if self.is_matched or self.is_away:
            self.wake_by_tape(order, price if order.reached is None else order.reached, moment)
        elif order.reached is None:
            order.reached = price

    # -- everything else -------------------------------------------------------------------------------------------

    def arrive(self, order: ReferenceOrder) -> None:
        last = self.book.last
        order.turn = self.next_turn()
        order.asleep = order.trigger is not None
        if order.asleep:
            if last is not None and order.is_reached(last):
                self.reach_on_arrival(order, last)
            return
        # Whoever could be served at once takes the next trade; the others wait for one through their price.
        order.rests = order.limit is not None and (last is None or better(order.side, last, order.limit))
        if self.is_unseen(order):
            order.rests = True
            return
        if order.rests and order.request.time_in_force in _AT_ONCE:
            self.end(order, ENDS[order.request.time_in_force])

    def _in_turn(self) -> list[ReferenceOrder]:
        return sorted(self.open.values(), key=lambda order: order.turn)

    def _meet(self, order: ReferenceOrder, price: int) -> None:
        """The next trade, for an order that stood before it."""
        force, limit = order.request.time_in_force, order.limit
        if not order.rests:
            slipped = self.slipped(order.side, price)
            if limit is None or not better(order.side, slipped, limit):
                lots = self._share(order, whole=limit is None)
                if force is not TimeInForce.FOK or lots == order.left:
                    self._take(order, slipped, lots)
            order.rests = limit is not None
        if order.name in self.open and force in _AT_ONCE:
            self.end(order, ENDS[force])
        elif order.name in self.open and limit is not None and better(order.side, limit, price):
            self._fill_waiting(order)

    def _fill_waiting(self, order: ReferenceOrder) -> None:
        assert order.limit is not None
        lots = self._share(order, whole=False)
        if lots:
            self._room -= lots
            self.fill(order, order.limit, lots, maker=True)

    def _share(self, order: ReferenceOrder, whole: bool) -> int:
        """What an order gets of the trade: in parts what there is; else all of it or nothing. `whole`: of any trade."""
        if self.settings.partial_fills:
            return min(order.left, self._room)
        return order.left if whole or order.left <= self._room else 0

    # -- looking ---------------------------------------------------------------------------------------------------

    def would_take(self, side: int, limit: int) -> bool:
        return self.book.last is not None and not better(side, self.book.last, limit)

    def price_now(self, side: int) -> int | None:
        return self.book.last

    def asked(self, lots: int) -> list[Fraction]:
        assert self.book.last is not None
        return [self.purse.cost(self.slipped(0, self.book.last), lots)]

    def is_priced(self) -> bool:
        return True
