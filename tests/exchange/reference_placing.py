"""How the reference exchange takes orders: one, a batch, later, in place of another, or on the fill of another."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import msgspec
from tests.exchange.reference_admission import (
    bad_arguments,
    bad_options,
    batch_cost,
    closed_for,
    edit_cost,
)
from tests.exchange.reference_agenda import Batch, Opened, Placed, ReferenceAgenda
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_terms import TermsReader, closing_faults, cut, goes_by_the_fill

from triplegain.domain.market import FeedState
from triplegain.domain.orders import OrderOptions, OrderRequest
from triplegain.domain.refusals import Code

#: Where nothing else can be said of an order.
_UNREADABLE = {Code.INVALID_VOLUME, Code.INVALID_PRICE, Code.TICK_SIZE, Code.INVALID_COST}
#: Lots of a purchase by cost, until it is known what it comes to.
_NO_END = 10**30


class Looked(NamedTuple):
    """What is said to an order: `own` are faults of its own, `other` what the account and the moment lack."""

    own: frozenset[Code]
    other: frozenset[Code]
    order: ReferenceOrder | None

    @property
    def codes(self) -> frozenset[Code]:
        return self.own | self.other


class ReferencePlacing(ReferenceAgenda):
    # -- for whoever matches -------------------------------------------------------------------------------------

    def arrive(self, order: ReferenceOrder) -> None:
        """An accepted order, or one that an amendment has put at the back."""
        raise NotImplementedError

    def would_take(self, side: int, limit: int) -> bool:
        raise NotImplementedError

    def is_priced(self) -> bool:
        """Whether orders can be taken at all."""
        raise NotImplementedError

    # -- one order -----------------------------------------------------------------------------------------------

    def place_now(self, placed: Placed) -> None:
        looked = self.look_at(placed)
        if looked.order is None or looked.codes:
            self.tell("rejected", placed.request.client_order_id, looked.codes)
            return
        self._take_in(placed, looked.order)

    def look_at(self, placed: Placed, parts: int = 0) -> Looked:
        """Its cost is charged. `parts`: of a batch of so many, which is charged as one."""
        request = placed.request
        if request.symbol != self.instrument.symbol:
            return Looked(frozenset({Code.UNKNOWN_PAIR}), frozenset(), None)
        other: set[Code] = set()
        if not parts and not self.counter.charge(Fraction(1), self.now_ns):
            other.add(Code.RATE_LIMIT)
        old = self.open.get(request.options.replaces or "")
        starts = request.options.starts_at_ns
        count = len(self.open) + len(self.waiting) - (old is not None)
        if self.counter.is_full_of_orders(count):
            is_later = starts is not None and starts > self.now_ns
            other.add(Code.SCHEDULED_LIMIT if is_later else Code.ORDERS_LIMIT)
        own, order = self._read(placed)
        if order is not None:
            found = self._said_by_market(order)
            own |= found.own
            other |= found.other
        if request.options.replaces is not None:
            own |= self._edit_faults(request, old, order)
        return Looked(frozenset(own), frozenset(other), order)

    def _read(self, placed: Placed, near: int | None = None) -> tuple[set[Code], ReferenceOrder | None]:
        """What is wrong with the words of it; an order where they can be read. `near`: what its prices go by."""
        request = placed.request
        codes = bad_arguments(request, self.instrument, self.now_ns)
        codes |= bad_options(request, placed.sent_ns, self.now_ns)
        reader = TermsReader(request, self.instrument, near or self.book.last)
        codes |= reader.codes
        if request.options.close is not None:
            codes |= self._closing_faults(request, reader)
        if codes & _UNREADABLE:
            return codes, None
        terms = reader.worked
        lots = cut(request.quantity, self.instrument) if terms.cost is None else _NO_END
        return codes, ReferenceOrder(
            placed.number, request, request.side.index, lots, terms, self.purse.new_bill(request), placed.sent_ns,
            self.now_ns, self.now_ns, terms.limit, terms.trigger, peak=self.book.last,
        )  # fmt: skip

    def _closing_faults(self, request: OrderRequest, first: TermsReader) -> set[Code]:
        """As far as that can be known before a fill: near the price of the order, or the last trade."""
        terms = request.options.close
        assert terms is not None
        near = self.book.last
        if goes_by_the_fill(terms):
            near = first.worked.trigger or first.worked.limit or near
        return closing_faults(request, terms, self.instrument, near)

    def _said_by_market(self, order: ReferenceOrder, whatever_mode: bool = False) -> Looked:
        """What the market and the account say against a well-formed order."""
        starts = order.request.options.starts_at_ns
        is_early = starts is not None and starts > self.now_ns
        takes = order.limit is not None and order.trigger is None and self.would_take(order.side, order.limit)
        own, other = (set[Code](), set[Code]()) if whatever_mode else (closed_for(self.state, order), set[Code]())
        if not whatever_mode and not is_early and takes and self.state is FeedState.LIMIT_ONLY:
            other.add(Code.LIMIT_ONLY_MODE)
        price = self.price_of(order) or self.price_now(order.side)
        if not self.is_priced() or price is None:
            return Looked(frozenset(own | {Code.UNAVAILABLE}), frozenset(), None)
        cost = order.terms.cost
        if self.is_too_cheap(price, order.lots) if cost is None else cost < Fraction(self.instrument.cost_min):
            own.add(Code.COST_MINIMUM)
        if cost is not None and cost < self.purse.cost(price, self.instrument.lots_min):
            own.add(Code.ORDER_MINIMUM)
        if not is_early:
            if self.worst(order, order.left) > self._free_for(order):
                other.add(Code.INSUFFICIENT_FUNDS)
            if order.is_post_only and takes:
                other.add(Code.POST_ONLY)
        return Looked(frozenset(own), frozenset(other), None)

    def _free_for(self, order: ReferenceOrder) -> Fraction:
        """What it may hold: an edit may use what the order held in whose place it comes."""
        asset = self.held_asset(order)
        old = self.open.get(order.request.options.replaces or "")
        given_back = Fraction(0)
        if old is not None and self.held_asset(old) == asset:
            given_back = self.purse.hold_of(old.number)
        return self.purse.free(asset) + given_back

    def is_too_cheap(self, price: int, lots: int) -> bool:
        return self.purse.cost(price, lots) < Fraction(self.instrument.cost_min)

    def _take_in(self, placed: Placed, order: ReferenceOrder) -> None:
        """It is accepted, or waits for its time."""
        starts, replaces = order.request.options.starts_at_ns, order.request.options.replaces
        if replaces is not None:
            old = self.open[replaces]
            self.counter.charge(Fraction(edit_cost(self.now_ns - old.touched_ns)), self.now_ns)
            self.end(old, "edited")
        if starts is not None and starts > self.now_ns:
            self.waiting[order.name] = placed._replace(waits_ns=self.now_ns, timer=self.next_timer())
            self.tell("scheduled", order.name, starts)
            return
        hold = self.worst(order, order.left)
        self.open[order.name], order.timer = order, self.next_timer()
        self.purse.hold(order.number, self.held_asset(order), hold)
        self.tell("accepted", order.name, self.held_asset(order), hold)
        self.on_accepted(order)
        if order.terms.is_relative or (order.terms.trail and order.trigger):
            self.tell("priced", order.name, self.price_of(order))
        self.arrive(order)

    def on_accepted(self, order: ReferenceOrder) -> None:
        """It is open, and has met nothing yet."""

    # -- later, in place of another, on a fill ---------------------------------------------------------------------

    def start(self, placed: Placed) -> None:
        """Funds and whether it would take are judged now."""
        codes, order = self._read(placed)
        codes -= {Code.DEADLINE_ELAPSED}
        if order is not None:
            codes |= self._said_by_market(order).codes
        if order is None or codes:
            self.tell("rejected", placed.request.client_order_id, frozenset(codes))
        else:
            self._take_in(placed, order)

    def _edit_faults(self, request: OrderRequest, old: ReferenceOrder | None, new: ReferenceOrder | None) -> set[Code]:
        if old is None:
            return {Code.UNKNOWN_OPEN_ORDER}
        codes: set[Code] = set()
        is_tied = old.request.options.close is not None or old.request.options.closes is not None
        if old.side != request.side.index or old.was_triggered or is_tied:
            codes.add(Code.INVALID_ARGUMENTS)
        if old.reached is not None:
            codes.add(Code.UNAVAILABLE)
        # What names its cost has no quantity before it buys.
        if new is not None and (0 if new.terms.cost is not None else new.lots) < old.filled:
            codes.add(Code.INVALID_VOLUME)
        return codes

    def place_batch_now(self, batch: Batch) -> None:
        """What is wrong with one of them itself refuses all; what is lacking, that one alone."""
        has_room = self.counter.charge(batch_cost(len(batch.orders)), self.now_ns)
        late = frozenset() if has_room else frozenset({Code.RATE_LIMIT})
        own = [self.look_at(each, parts=len(batch.orders)).own for each in batch.orders]
        if any(own):
            for each, codes in zip(batch.orders, own, strict=True):
                said = codes or frozenset().union(*own)
                self.tell("rejected", each.request.client_order_id, said | late)
            return
        for each in batch.orders:
            looked = self.look_at(each, parts=len(batch.orders))
            if looked.order is None or looked.codes or late:
                self.tell("rejected", each.request.client_order_id, looked.codes | late)
            else:
                self._take_in(each, looked.order)

    def open_closing(self, opened: Opened) -> None:
        """At the moment of the fill, without latency and without cost."""
        first = opened.order
        terms = first.request.options.close
        assert terms is not None
        request = OrderRequest(
            f"tg-close-{first.number}-{opened.fill}", self.instrument.symbol, first.request.side.opposite,
            self.instrument.quantity(opened.lots), terms, options=OrderOptions(closes=first.name),
        )  # fmt: skip
        request = msgspec.structs.replace(request, self_trade=first.request.self_trade, leverage=first.request.leverage)
        placed = Placed(request, self.next_number(), self.now_ns)
        self.tell("submitted", request.client_order_id, self.now_ns)
        codes, order = self._read(placed, opened.price if goes_by_the_fill(terms) else None)
        if self.counter.is_full_of_orders(len(self.open) + len(self.waiting)):
            codes.add(Code.ORDERS_LIMIT)
        if order is not None:
            codes |= self._said_by_market(order, whatever_mode=True).codes
        if order is None or codes:
            self.tell("rejected", request.client_order_id, frozenset(codes))
        else:
            self._take_in(placed, order)

    def next_number(self) -> int:
        raise NotImplementedError
