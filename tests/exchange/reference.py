"""The reference exchange: its clock, its commands, its answers. How orders are matched is said by whoever extends it.

Written from docs/paper-exchange.md alone, and compared with the exchange event by event (differential.py). It is slow
and plain on purpose: every rule is looked up anew at every event, and nothing is kept that can be worked out.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import NamedTuple

from tests.exchange.reference_account import ReferenceAccount, ReferenceSettings
from tests.exchange.reference_admission import (
    amend_cost,
    bad_arguments,
    cancel_cost,
    closed_for,
)
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_terms import TermsReader, cut, hung, is_amount, shows_too_little, trailed

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketEvent, PublicTrade
from triplegain.domain.orders import AmendRequest, OrderRequest
from triplegain.domain.refusals import Code

#: Where nothing else can be said of an order.
_UNREADABLE = {Code.INVALID_VOLUME, Code.INVALID_PRICE, Code.TICK_SIZE, Code.INVALID_COST}


#: Lots of a purchase by cost, until it is known what it comes to.
_NO_END = 10**30


class Command(NamedTuple):
    due_ns: int
    order: OrderRequest | AmendRequest | str
    number: int
    sent_ns: int


class ReferenceExchange(ReferenceAccount):
    def __init__(self, instrument: Instrument, balances: dict[str, Fraction], settings: ReferenceSettings) -> None:
        super().__init__(instrument, balances, settings)
        self._names: set[str] = set()
        self._commands: deque[Command] = deque()
        self._arrived_ns = 0

    # -- from outside ------------------------------------------------------------------------------------------

    def on_event(self, event: MarketEvent) -> None:
        """The market moves first: what is due at that very moment comes after it."""
        now = max(self.now_ns, event.exchange_time_ns)
        self._run(now - 1)
        self.now_ns = now
        self.on_market(event)
        self._run(now)

    def run_through(self, time_ns: int) -> None:
        self._run(time_ns)
        self.now_ns = max(self.now_ns, time_ns)

    def place(self, request: OrderRequest) -> None:
        if request.client_order_id in self._names:
            return
        self._names.add(request.client_order_id)
        self._send(request, self.settings.place_delay_ns)
        self.tell("submitted", request.client_order_id, self._arrived_ns)

    def cancel(self, name: str) -> None:
        self._send(name, self.settings.cancel_delay_ns)

    def amend(self, request: AmendRequest) -> None:
        self._send(request, self.settings.place_delay_ns)

    # -- for whoever matches -------------------------------------------------------------------------------------

    def on_market(self, event: MarketEvent) -> None:
        raise NotImplementedError

    def arrive(self, order: ReferenceOrder) -> None:
        """An accepted order, or one that an amendment has put at the back."""
        raise NotImplementedError

    def would_take(self, side: int, limit: int) -> bool:
        raise NotImplementedError

    def is_priced(self) -> bool:
        """Whether orders can be taken at all."""
        raise NotImplementedError

    def trail(self, trade: PublicTrade) -> None:
        """A trade of the newest moment moves the triggers that trail; they were tried as they stood before."""
        for order in self.open.values():
            trail, peak = order.terms.trail, order.peak
            if not order.asleep or order.reached is not None or trade.exchange_time_ns < order.stands_ns or not trail:
                continue
            if peak is None or (trade.price < peak if order.is_purchase else trade.price > peak):
                order.peak = trade.price
                order.trigger = trailed(trail, trade.price, order.is_purchase, self.instrument)
                if order.terms.after is not None:
                    order.limit = hung(order.terms.after, order.trigger, order.is_purchase, self.instrument)

    # -- time ----------------------------------------------------------------------------------------------------

    def _send(self, order: OrderRequest | AmendRequest | str, delay_ns: int) -> None:
        """On one connection: nothing overtakes what was sent before."""
        self._arrived_ns = max(self._arrived_ns, self.now_ns + delay_ns)
        self._commands.append(Command(self._arrived_ns, order, len(self._names), self.now_ns))

    def _run(self, through_ns: int) -> None:
        """Commands and dates up to a moment; at equal times the commands first."""
        while True:
            dated = self._next_dated()
            command = self._commands[0].due_ns if self._commands else None
            date = dated.request.expires_at_ns if dated else None
            if command is not None and command <= through_ns and (date is None or command <= date):
                self.now_ns = max(self.now_ns, command)
                self._carry_out(self._commands.popleft())
            elif dated is not None and date is not None and date <= through_ns:
                self.now_ns = max(self.now_ns, date)
                self.end(dated, "date", "expired")
            else:
                return

    def _next_dated(self) -> ReferenceOrder | None:
        """A stop that the tape went through is sold already, and a closed market lets no date pass."""
        if self.is_closed:
            return None
        dated = [o for o in self.open.values() if o.request.expires_at_ns is not None and o.reached is None]
        return min(dated, key=lambda o: (o.request.expires_at_ns or 0, o.number), default=None)

    def expire_at_opening(self) -> None:
        while (order := self._next_dated()) and (order.request.expires_at_ns or 0) <= self.now_ns:
            self.end(order, "date", "expired")

    # -- commands --------------------------------------------------------------------------------------------------

    def _carry_out(self, command: Command) -> None:
        if isinstance(command.order, OrderRequest):
            self._place(command.order, command)
        elif isinstance(command.order, AmendRequest):
            self._amend(command.order)
        else:
            self._cancel(command.order)

    def _place(self, request: OrderRequest, command: Command) -> None:
        codes = bad_arguments(request, self.instrument, self.now_ns)
        if not self.counter.charge(1, self.now_ns):
            codes.add(Code.RATE_LIMIT)
        if self.counter.is_full_of_orders(len(self.open)):
            codes.add(Code.ORDERS_LIMIT)
        reader = TermsReader(request, self.instrument, self.book.last)
        codes |= reader.codes
        order = None
        if not codes & _UNREADABLE:
            terms = reader.worked
            lots = cut(request.quantity, self.instrument) if terms.cost is None else _NO_END
            order = ReferenceOrder(
                command.number, request, request.side.index, lots, terms, self.purse.new_bill(), command.sent_ns,
                self.now_ns, self.now_ns, terms.limit, terms.trigger, peak=self.book.last,
            )  # fmt: skip
            codes |= self._refused(order)
        if codes or order is None:
            self.tell("rejected", request.client_order_id, frozenset(codes))
            return
        hold = self.worst(order, order.left)
        self.open[order.name] = order
        self.purse.hold(order.number, self.held_asset(order), hold)
        self.tell("accepted", order.name, self.held_asset(order), hold)
        if order.terms.is_relative or (order.terms.trail and order.trigger):
            self.tell("priced", order.name, self.price_of(order))
        self.arrive(order)

    def _refused(self, order: ReferenceOrder) -> set[Code]:
        """What the market and the account say against a well-formed order."""
        codes = closed_for(self.state, order.is_post_only)
        if not self.is_priced():
            return codes | {Code.UNAVAILABLE}
        price = self.price_of(order) or self.price_now(order.side)
        if price is None:
            return codes | {Code.UNAVAILABLE}
        cost = order.terms.cost
        if self._is_too_cheap(price, order.lots) if cost is None else cost < Fraction(self.instrument.cost_min):
            codes.add(Code.COST_MINIMUM)
        if cost is not None and cost < self.purse.cost(price, self.instrument.lots_min):
            codes.add(Code.ORDER_MINIMUM)
        if self.worst(order, order.left) > self.purse.free(self.held_asset(order)):
            codes.add(Code.INSUFFICIENT_FUNDS)
        if order.is_post_only and order.limit is not None and self.would_take(order.side, order.limit):
            codes.add(Code.POST_ONLY)
        return codes

    def _is_too_cheap(self, price: int, lots: int) -> bool:
        return self.purse.cost(price, lots) < Fraction(self.instrument.cost_min)

    def _cancel(self, name: str) -> None:
        order = self.open.get(name)
        if order is None:
            codes = {Code.UNKNOWN_OPEN_ORDER, Code.UNAVAILABLE} if self.is_closed else {Code.UNKNOWN_OPEN_ORDER}
            self.tell("refused", name, "cancel", frozenset(codes))
        elif self.is_closed or order.reached is not None:
            self.tell("refused", name, "cancel", frozenset({Code.UNAVAILABLE}))
        else:
            self.counter.charge(cancel_cost(self.now_ns - order.touched_ns), self.now_ns)
            self.end(order, "asked")

    def _amend(self, request: AmendRequest) -> None:
        order = self.open.get(request.client_order_id)
        codes = {Code.UNKNOWN_OPEN_ORDER} if order is None else self._amend_refused(order, request)
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
        codes = closed_for(self.state, order.is_post_only)
        if not self.counter.charge(1, self.now_ns):
            codes.add(Code.RATE_LIMIT)
        if order.reached is not None:
            codes.add(Code.UNAVAILABLE)
        if order.terms.cost is not None:
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
            return codes
        lots, ticks = self._amended_terms(order, request)
        if quantity is None and price is None:
            return codes | {Code.INVALID_AMEND}
        if lots < self.instrument.lots_min and (lots > order.filled or not lots):
            codes.add(Code.ORDER_MINIMUM)
        if lots > order.filled and ticks is not None and self._is_too_cheap(ticks, lots):
            codes.add(Code.COST_MINIMUM)
        asset = self.held_asset(order)
        held = self.purse.hold_of(order.number)
        if lots > order.filled and self.worst(order, lots - order.filled, ticks) > self.purse.free(asset) + held:
            codes.add(Code.INSUFFICIENT_FUNDS)
        if order.terms.display is not None and shows_too_little(order.terms.display, lots):
            codes.add(Code.INVALID_DISPLAY)
        moves = lots > order.filled and (ticks != order.limit or lots > order.lots)
        if order.is_post_only and moves and ticks is not None and self.would_take(order.side, ticks):
            codes.add(Code.POST_ONLY)
        return codes

    def _amended_terms(self, order: ReferenceOrder, request: AmendRequest) -> tuple[int, int | None]:
        lots = order.lots if request.quantity is None else cut(request.quantity, self.instrument)
        price = self.price_of(order) if request.price is None else self.instrument.ticks(request.price)
        return lots, price
