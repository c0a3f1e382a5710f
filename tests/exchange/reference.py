"""The reference exchange: its clock, its commands, its answers. How orders are matched is said by whoever extends it.

Written from docs/paper-exchange.md alone, and compared with the exchange event by event (differential.py). It is slow
and plain on purpose: every rule is looked up anew at every event, and nothing is kept that can be worked out.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import assert_never

from tests.exchange.reference_admission import amend_cost, cancel_cost, closed_for
from tests.exchange.reference_agenda import Asked, Batch, Cancelled, Placed, Switch
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_placing import ReferencePlacing
from tests.exchange.reference_terms import cut, hung, is_amount, shows_too_little, trailed

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import FeedState, MarketEvent, PublicTrade
from triplegain.domain.orders import AmendRequest, OrderRequest
from triplegain.domain.refusals import Code


class ReferenceExchange(ReferencePlacing):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self._names: set[str] = set()
        self._numbers = 0

    # -- from outside ------------------------------------------------------------------------------------------

    def on_event(self, event: MarketEvent) -> None:
        """The market moves first: what is due at that very moment comes after it."""
        now = max(self.now_ns, event.exchange_time_ns)
        self.run(now - 1)
        self.now_ns = now
        self.on_market(event)
        self.run(now)

    def run_through(self, time_ns: int) -> None:
        self.run(time_ns)
        self.now_ns = max(self.now_ns, time_ns)

    def place(self, request: OrderRequest) -> None:
        self._place_together([request], alone=True)

    def place_batch(self, requests: Sequence[OrderRequest]) -> None:
        self._place_together(requests, alone=False)

    def _place_together(self, requests: Sequence[OrderRequest], alone: bool) -> None:
        """In one message; what was sent before is not sent again."""
        new = [request for request in requests if request.client_order_id not in self._names]
        if not new:
            return
        sent = [Placed(request, self.next_number(), self.now_ns) for request in new]
        arrives_ns = self.due_ns(sent[0] if alone else Batch(tuple(sent)), self.settings.place_delay_ns)
        for request in new:
            self._names.add(request.client_order_id)
            self.tell_sent(request.client_order_id, arrives_ns)
            if request.symbol != self.instrument.symbol:
                self.tell("rejected", request.client_order_id, frozenset({Code.UNKNOWN_PAIR}))
        there = tuple(each for each in sent if each.request.symbol == self.instrument.symbol)
        if there:
            self.put(arrives_ns, there[0] if alone else Batch(there))

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def validate(self, request: OrderRequest) -> frozenset[Code]:
        """What would be said to it if it arrived now."""
        return self.look_at(Placed(request, 0, self.now_ns)).codes

    def cancel(self, name: str) -> None:
        self.send(Cancelled(name), self.settings.cancel_delay_ns)

    def cancel_batch(self, names: Sequence[str]) -> None:
        arrives_ns = self.arrival(self.settings.cancel_delay_ns)
        for name in names:
            self.put(arrives_ns, Cancelled(name))

    def cancel_all_after(self, seconds: int) -> int | None:
        """When it will go off."""
        arrives_ns = self.send(Switch(seconds), self.settings.cancel_delay_ns)
        return arrives_ns + seconds * SECOND_NS if seconds else None

    def amend(self, request: AmendRequest) -> None:
        self.send(request, self.settings.place_delay_ns)

    # -- for whoever matches -------------------------------------------------------------------------------------

    def on_market(self, event: MarketEvent) -> None:
        raise NotImplementedError

    def trail(self, trade: PublicTrade) -> None:
        """A trade of the newest moment moves the triggers that trail before anything is tried with it: what it moves it
        cannot reach."""
        for order in self.open.values():
            trail, peak = order.terms.trail, order.peak
            if not order.asleep or order.reached is not None or trade.exchange_time_ns < order.stands_ns or not trail:
                continue
            if peak is None or (trade.price < peak if order.is_purchase else trade.price > peak):
                order.peak = trade.price
                order.trigger = trailed(trail, trade.price, order.is_purchase, self.instrument)
                if order.terms.after is not None:
                    order.limit = hung(order.terms.after, order.trigger, order.is_purchase, self.instrument)

    # -- commands --------------------------------------------------------------------------------------------------

    def carry_out(self, asked: Asked) -> None:
        match asked:
            case Placed():
                self.place_now(asked)
            case Batch():
                self.place_batch_now(asked)
            case AmendRequest():
                self._amend(asked)
            case Cancelled(name=name):
                self._cancel(name)
            case Switch(seconds=seconds):
                self.set_switch(seconds)
            case _ as never:
                assert_never(never)

    def end_all(self) -> None:
        numbers = {name: placed.number for name, placed in self.waiting.items()}
        numbers |= {order.name: order.number for order in self.open.values() if order.reached is None}
        for name in sorted(numbers, key=numbers.__getitem__):
            if name in self.waiting:
                self._end_waiting(name, "switch")
            else:
                self.end(self.open[name], "switch")

    def _end_waiting(self, name: str, why: str) -> None:
        del self.waiting[name]
        self.tell("cancelled", name, "cancelled", why, 0)

    def _cancel(self, name: str) -> None:
        order = self.open.get(name)
        if name in self.waiting and not self.is_closed:
            self.counter.charge(cancel_cost(self.now_ns - self.waiting[name].waits_ns), self.now_ns)
            self._end_waiting(name, "asked")
        elif order is None and name not in self.waiting:
            codes = {Code.UNKNOWN_OPEN_ORDER, Code.UNAVAILABLE} if self.is_closed else {Code.UNKNOWN_OPEN_ORDER}
            self.tell("refused", name, "cancel", frozenset(codes))
        elif self.is_closed or order is None or order.reached is not None:
            self.tell("refused", name, "cancel", frozenset({Code.UNAVAILABLE}))
        else:
            self.counter.charge(cancel_cost(self.now_ns - order.touched_ns), self.now_ns)
            self.end(order, "asked")

    def _amend(self, request: AmendRequest) -> None:
        order = self.open.get(request.client_order_id)
        codes = {Code.UNKNOWN_OPEN_ORDER} if order is None else self._amend_refused(order, request)
        if request.client_order_id in self.waiting:
            codes = {Code.INVALID_AMEND}
        if order is None or codes:
            self.tell("refused", request.client_order_id, "amend", frozenset(codes))
            return
        age = self.now_ns - order.touched_ns
        lots, price = self._amended_terms(order, request)
        if lots <= order.filled:
            self.counter.charge(cancel_cost(age), self.now_ns)
            self.end(order, "amended")
            return
        self.counter.charge(amend_cost(age), self.now_ns)
        # A trigger does not queue.
        stays = price == self.price_of(order) and (lots <= order.lots or order.asleep)
        hold = self.worst(order, lots - order.filled, price)
        order.lots, order.touched_ns = lots, self.now_ns
        self.set_price(order, price)
        self.purse.hold(order.number, self.held_asset(order), hold)
        self.tell("amended", order.name, lots, price, stays)
        order.slice = min(order.slice, order.left)
        if not stays:
            order.rests, order.stands_ns = False, self.now_ns
            self.arrive(order)

    def _amend_refused(self, order: ReferenceOrder, request: AmendRequest) -> set[Code]:
        codes: set[Code] = set()
        if not self.counter.charge(1, self.now_ns):
            codes.add(Code.RATE_LIMIT)
        if order.reached is not None:
            codes.add(Code.UNAVAILABLE)
        options = order.request.options
        if order.terms.cost is not None or options.close is not None or options.closes is not None:
            codes.add(Code.INVALID_AMEND)
        quantity, price = request.quantity, request.price
        if quantity is not None and not is_amount(quantity):
            codes.add(Code.INVALID_VOLUME)
        if price is not None:
            if not is_amount(price) or self.price_of(order) is None or (order.terms.trail and order.trigger):
                codes.add(Code.INVALID_PRICE)
            elif (Fraction(price) / Fraction(self.instrument.tick)).denominator != 1:
                codes.add(Code.TICK_SIZE)
        if codes & {Code.INVALID_VOLUME, Code.INVALID_PRICE, Code.TICK_SIZE}:
            return codes | closed_for(self.state, order)
        lots, ticks = self._amended_terms(order, request)
        # Who keeps his place takes nothing.
        moves = lots > order.filled and (ticks != self.price_of(order) or lots > order.lots)
        takes = moves and order.trigger is None and ticks is not None and self.would_take(order.side, ticks)
        codes |= closed_for(self.state, order)
        if takes and self.state is FeedState.LIMIT_ONLY:
            codes.add(Code.LIMIT_ONLY_MODE)
        if quantity is None and price is None:
            return codes | {Code.INVALID_AMEND}
        if lots < self.instrument.lots_min and (lots > order.filled or not lots):
            codes.add(Code.ORDER_MINIMUM)
        if lots > order.filled and ticks is not None and self.is_too_cheap(ticks, lots):
            codes.add(Code.COST_MINIMUM)
        asset = self.held_asset(order)
        held = self.purse.hold_of(order.number)
        if lots > order.filled and self.worst(order, lots - order.filled, ticks) > self.purse.free(asset) + held:
            codes.add(Code.INSUFFICIENT_FUNDS)
        if order.terms.display is not None and shows_too_little(order.terms.display, lots):
            codes.add(Code.INVALID_DISPLAY)
        if order.is_post_only and takes:
            codes.add(Code.POST_ONLY)
        return codes

    def _amended_terms(self, order: ReferenceOrder, request: AmendRequest) -> tuple[int, int | None]:
        lots = order.lots if request.quantity is None else cut(request.quantity, self.instrument)
        price = self.price_of(order) if request.price is None else self.instrument.ticks(request.price)
        return lots, price
