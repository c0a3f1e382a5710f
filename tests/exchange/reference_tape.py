"""How the reference exchange fills where only the tape is known: by the next trade, and by trades through a price."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import assert_never

from tests.exchange.reference import ReferenceExchange
from tests.exchange.reference_book import better
from tests.exchange.reference_order import ReferenceOrder

from triplegain.domain.fees import RATE_UNIT
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

#: Why an order ends that has one trade and no other.
_ENDS = {TimeInForce.IOC: "immediate", TimeInForce.FOK: "kill"}
_AT_ONCE = tuple(_ENDS)


class ReferenceOnTape(ReferenceExchange):
    #: What is left of the trade that is being shared; None outside of one.
    _room = 0

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
        was_closed = self.is_closed
        self.state = state
        if was_closed and not self.is_closed:
            self.on_opening()
        if self.is_matched:
            for order in self._in_turn():
                if order.reached is not None and order.name in self.open:
                    self._wake(order, order.reached, self.now_ns)

    def _on_trade(self, trade: PublicTrade) -> None:
        if self.book.doubts(trade, is_seen=False):
            return
        moment = trade.exchange_time_ns
        self.book.take(trade)
        self._room = trade.quantity
        standing = [order for order in self._in_turn() if moment >= order.stands_ns]
        for order in [order for order in standing if not order.asleep]:
            if self.is_matched:
                self._meet(order, trade.price)
            elif order.limit is not None and better(order.side, order.limit, trade.price):
                self._fill_waiting(order)
        for order in [order for order in standing if order.asleep]:
            if order.is_reached(trade.price):
                self._reach(order, trade.price, moment)
        if moment == self.book.tape_ns:
            self.trail(trade)

    # -- stops -----------------------------------------------------------------------------------------------------

    def _reach(self, order: ReferenceOrder, price: int, moment: int) -> None:
        if self.is_matched:
            self._wake(order, price, moment)
        elif order.reached is None:
            order.reached = price

    def _wake(self, order: ReferenceOrder, price: int, moment: int) -> None:
        """Whole, whatever the size of the trade, with slippage: a stop at the worse of trigger and trade, a take-profit
        at its trigger. What has a limit waits where that is beyond it."""
        trigger, limit = order.trigger, order.limit
        assert trigger is not None
        order.asleep, order.reached, order.was_triggered = False, None, True
        self.tell("triggered", order.name, trigger, price)
        is_stop = order.terms.rises == order.is_purchase
        worse = max(trigger, price) if order.is_purchase else min(trigger, price)
        slipped = self.slipped(order.side, worse if is_stop else trigger)
        if limit is None:
            self._take(order, slipped, order.left)
            return
        order.trigger, order.stands_ns, order.rests, order.turn = None, moment, True, self.next_turn()
        self.tell("priced", order.name, limit)
        if not better(order.side, slipped, limit):
            self._take(order, slipped, order.left)
        if order.name in self.open and order.request.time_in_force in _AT_ONCE:
            self.end(order, _ENDS[order.request.time_in_force])

    # -- everything else -------------------------------------------------------------------------------------------

    def arrive(self, order: ReferenceOrder) -> None:
        last = self.book.last
        order.turn = self.next_turn()
        order.asleep = order.trigger is not None
        if order.asleep:
            if last is not None and order.is_reached(last):
                self._reach(order, last, self.now_ns)
            return
        # Whoever could be served at once takes the next trade; the others wait for one through their price.
        order.rests = order.limit is not None and (last is None or better(order.side, last, order.limit))
        if order.rests and order.request.time_in_force in _AT_ONCE:
            self.end(order, _ENDS[order.request.time_in_force])

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
            self.end(order, _ENDS[force])
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

    def _take(self, order: ReferenceOrder, price: int, lots: int) -> None:
        if order.terms.cost is not None:
            wanted = self.purse.budget(order.terms.cost, order.spent) // self.purse.cost(price, 1)
            if not wanted:
                self.end(order, "rest")
                return
            order.lots = order.filled + wanted if wanted <= lots else order.lots
            lots = min(lots, wanted)
        payable = lots
        if order.is_purchase:
            funds = self.purse.free(self.instrument.quote) + self.purse.hold_of(order.number)
            payable = self.purse.affordable(order.bill, price, lots, funds)
            if payable < lots and not self.settings.partial_fills:
                payable = 0
        if payable:
            self._room = max(self._room - payable, 0)
            self.fill(order, price, payable, maker=False)
        if payable < lots:
            self.end(order, "funds")

    def slipped(self, side: int, price: int) -> int:
        """Always against the trader, rounded to the tick against the trader."""
        share = Fraction(self.settings.slippage_ppm, RATE_UNIT)
        return ceil(price * (1 + share)) if side == 0 else max(floor(price * (1 - share)), 1)

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
