"""What comes of an order that arrives at the exchange: it is refused, waits for its time, or starts to work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from triplegain.domain.clock import Moment
from triplegain.domain.orders import OrderStatus, TimeInForce
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.account import Account
from triplegain.exchange.admission import (
    check_cancel,
    check_deadline,
    check_market,
    check_rules,
    check_taking,
    read_terms,
)
from triplegain.exchange.channels import date_ns
from triplegain.exchange.commands import Command, Expire, Start
from triplegain.exchange.conditional_close import check_close
from triplegain.exchange.engine import Engine
from triplegain.exchange.market_modes import MODES
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.queue import UNKNOWN_AHEAD
from triplegain.exchange.rate_limit import EDIT_COST, PLACE_COST, batch_cost, edit_penalty
from triplegain.exchange.reduce_only import check_reduce_only
from triplegain.exchange.venue_market import VenueMarket
from triplegain.exchange.working_orders import WorkingOrders

#: Why an order that was edited is over.
EDITED = "edited: another order takes its place"


class Arrivals:
    """Every check in the exchange's order; the last one reserves the funds. `schedule` takes what is due later."""

    def __init__(
        self,
        engine: Engine,
        markets: Mapping[str, VenueMarket],
        orders: WorkingOrders,
        account: Account,
        schedule: Callable[[int, Command], None],
    ) -> None:
        self._engine = engine
        self._markets = markets
        self._orders = orders
        self._account = account
        self._schedule = schedule

    def arrive(self, order: WorkingOrder) -> None:
        """An order that was sent alone."""
        market = self._meet(order)
        if order.request.options.replaces is not None:
            self._edit(order, market, order.request.options.replaces)
            return
        within_rate = market.rate.charge(PLACE_COST, self._engine.now_ns)
        refusal = self._invalid(order, market)
        if refusal is not None:
            self._reject(order, refusal)
        elif order.is_plain:
            self._open(order, market, within_rate)
        else:
            self._go_on(order, market, within_rate)

    def arrive_together(self, orders: Sequence[WorkingOrder]) -> None:
        """A batch: one that is not valid ends all of them; what else is in the way of one ends that one alone."""
        market, *_ = [self._meet(order) for order in orders]
        within_rate = market.rate.charge(batch_cost(len(orders)), self._engine.now_ns)
        invalid = {order.number: refusal for order in orders if (refusal := self._invalid(order, market)) is not None}
        for order in orders:
            if not invalid:
                self._go_on(order, market, within_rate)
                continue
            number, first = next(iter(invalid.items()))
            whole = Refusal(first.code, f"the whole batch is refused for order {number}: {first.reason}")
            self._reject(order, invalid.get(order.number, whole))

    def examine(self, order: WorkingOrder) -> Refusal | None:
        """Why an order that arrived now would be refused. Nothing is held; the fixed part of its cost is charged."""
        market = self._markets[order.request.symbol]
        within_rate = market.rate.charge(PLACE_COST, self._engine.now_ns)
        if order.request.options.replaces is not None:
            original = self._orders.by_name.get(order.request.options.replaces)
            return self._uneditable(original, order, market, within_rate)
        refusal = self._invalid(order, market)
        if refusal is None and self._is_early(order):
            return self._too_fast(market, within_rate) or self._full(order, market, Code.SCHEDULED_LIMIT)
        return (
            refusal
            or self._in_the_way(order, market, within_rate)
            or self._account.funds.lacks(order, market)
            or self._account.payments.unsettled(order)
        )

    def open_linked(self, order: WorkingOrder, last: int | None) -> None:
        """An order that a fill has opened at the exchange itself: no latency, no cost, and no matter what we see.
        `last` is what its relative prices go by."""
        market = self._meet(order)
        now_ns = self._engine.now_ns
        refusal = (
            read_terms(order, last)
            or self._account.lending.check(order)
            or self._against_rules(order, market)
            or self._full(order, market, Code.ORDERS_LIMIT)
            or self._account.funds.reserve(order, market)
        )
        if refusal is not None:
            self._reject(order, refusal)
            return
        self._count_in(order, now_ns)
        if MODES[market.state].matches:
            self._admit(order, market)
            return
        order.stands_ns = Moment(now_ns)
        order.ahead = order.ahead_before = order.ahead_at_arrival = UNKNOWN_AHEAD
        market.wait_unseen(order)

    def start(self, order: WorkingOrder) -> None:
        """The time of a scheduled order has come; where the market is closed or cannot be seen, that is when it is open
        and seen again, once."""
        market = self._markets[order.request.symbol]
        if market.is_closed or market.is_unseen or not order.scheduled:
            return
        self._meet(order)
        order.scheduled = False
        self._orders.discount(order)
        refusal = (
            read_terms(order, market.last)
            or check_market(order, market)
            or self._unlent(order)
            or self._against_rules(order, market)
        )
        if refusal is None:
            self._open(order, market, within_rate=True)
        else:
            self._reject(order, refusal)

    # -- checks --------------------------------------------------------------------------------------------------

    def _meet(self, order: WorkingOrder) -> VenueMarket:
        market = self._markets[order.request.symbol]
        order.arrived_ns = order.touched_ns = self._engine.now_ns
        order.quote_at_arrival = market.seen_quotes()
        self._orders.touch(order.key)
        return market

    def _invalid(self, order: WorkingOrder, market: VenueMarket) -> Refusal | None:
        """What is wrong with the order itself, or with its kind in this market now."""
        now_ns = self._engine.now_ns
        if order.is_plain:
            return read_terms(order, market.last) or check_market(order, market) or check_rules(order, market, now_ns)
        return (
            check_deadline(order, now_ns)
            or read_terms(order, market.last)
            or check_close(order, market.last)
            or check_market(order, market)
            or self._unlent(order)
            or self._against_rules(order, market)
        )

    def _against_rules(self, order: WorkingOrder, market: VenueMarket) -> Refusal | None:
        whole = self._account.margin.whole(order)
        return check_rules(order, market, self._engine.now_ns, whole is not None and order.lots >= whole)

    def _unlent(self, order: WorkingOrder) -> Refusal | None:
        """Why it reduces nothing, or is not lent what it asks for."""
        reduces = check_reduce_only(order, self._account.margin.position(order.request.symbol))
        return reduces or self._account.lending.check(order)

    def _in_the_way(self, order: WorkingOrder, market: VenueMarket, within_rate: bool) -> Refusal | None:
        """What is in the way of a valid order, but for its funds."""
        return (
            check_taking(order, market)
            or self._too_fast(market, within_rate)
            or self._full(order, market, Code.ORDERS_LIMIT)
        )

    def _too_fast(self, market: VenueMarket, within_rate: bool) -> Refusal | None:
        if within_rate:
            return None
        symbol = market.instrument.symbol
        return Refusal(Code.RATE_LIMIT, f"too many order commands on {symbol}: wait for the counter to decay")

    def _full(self, order: WorkingOrder, market: VenueMarket, code: Code) -> Refusal | None:
        symbol = order.request.symbol
        if market.rate.allows_another(self._orders.open_count(symbol)):
            return None
        return Refusal(code, f"too many open orders on {symbol}")

    def _is_early(self, order: WorkingOrder) -> bool:
        """It is to wait for its time."""
        starts_ns = order.request.options.starts_at_ns
        return starts_ns is not None and starts_ns > self._engine.now_ns

    # -- what comes of it ----------------------------------------------------------------------------------------

    def _go_on(self, order: WorkingOrder, market: VenueMarket, within_rate: bool) -> None:
        """A valid order waits for its time, or is opened."""
        starts_ns = order.request.options.starts_at_ns
        if starts_ns is None or not self._is_early(order):
            self._open(order, market, within_rate)
            return
        refusal = self._too_fast(market, within_rate) or self._full(order, market, Code.SCHEDULED_LIMIT)
        if refusal is not None:
            self._reject(order, refusal)
            return
        order.scheduled = True
        self._orders.count(order)
        self._schedule(starts_ns, Start(order.number))
        self._account.answers.tell_scheduled(order, starts_ns)

    def _open(self, order: WorkingOrder, market: VenueMarket, within_rate: bool) -> None:
        refusal = (
            self._in_the_way(order, market, within_rate)
            or self._account.funds.reserve(order, market)
            or self._account.payments.unsettled(order)
        )
        if refusal is None:
            self._accept(order, market)
        else:
            self._reject(order, refusal)

    def _accept(self, order: WorkingOrder, market: VenueMarket) -> None:
        self._count_in(order, self._engine.now_ns)
        self._admit(order, market)

    def _admit(self, order: WorkingOrder, market: VenueMarket) -> None:
        if order.request.terms.settles:
            self._engine.settle(order)
            return
        market.admit(order)
        if market.has_own_time:
            market.simple.guard_fill(order)

    def _count_in(self, order: WorkingOrder, now_ns: int) -> None:
        """It is open, told, and ends at its date."""
        order.status = OrderStatus.OPEN
        order.opened_ns = now_ns
        self._orders.count(order)
        self._account.answers.tell_accepted(order)
        request = order.request
        if order.price and not isinstance(request.terms.first, Decimal):
            self._account.answers.tell_priced(order)
        date = request.expires_at_ns
        if date is not None and request.time_in_force is TimeInForce.GTD:
            market = self._markets[order.request.symbol]
            self._schedule(date_ns(date, market), Expire(order.number))

    def _edit(self, order: WorkingOrder, market: VenueMarket, replaced: str) -> None:
        """The order takes the place of another one, which is over then; refused, that one stays as it is."""
        now_ns = self._engine.now_ns
        within_rate = market.rate.charge(EDIT_COST, now_ns)
        original = self._orders.by_name.get(replaced)
        refusal = self._uneditable(original, order, market, within_rate)
        if refusal is not None or original is None:
            self._reject(order, refusal or _unknown(order))
            return
        market.rate.charge(edit_penalty(now_ns - original.touched_ns), now_ns)
        market.withdraw(original)
        self._engine.finish(original, OrderStatus.CANCELLED, EDITED)
        refusal = self._account.funds.reserve(order, market)
        assert refusal is None, refusal
        self._accept(order, market)

    def _uneditable(
        self, original: WorkingOrder | None, order: WorkingOrder, market: VenueMarket, within_rate: bool
    ) -> Refusal | None:
        if original is None or original.status is OrderStatus.PENDING:
            return _unknown(order)
        return (
            self._invalid(order, market)
            or _not_editable(original, order)
            or check_cancel(original, market)
            or check_taking(order, market)
            or self._too_fast(market, within_rate)
            or self._account.funds.lacks(order, market, instead_of=original)
            or self._account.payments.unsettled(order)
        )

    def _reject(self, order: WorkingOrder, refusal: Refusal) -> None:
        self._orders.forget(order)
        self._account.answers.tell_rejected(order.number, order.request, refusal)
        self._orders.remember(order.client_order_id, self._account.answers.sequence)


def _unknown(order: WorkingOrder) -> Refusal:
    return Refusal(Code.UNKNOWN_OPEN_ORDER, f"no open order is called {order.request.options.replaces}")


def _not_editable(original: WorkingOrder, order: WorkingOrder) -> Refusal | None:
    """Kraken (WebSocket v2, edit_order): no triggered orders, none with conditional close terms, and none of which more
    has been executed than the new volume."""
    was, wanted = original.request, order.request
    if (was.symbol, was.side) != (wanted.symbol, wanted.side):
        return Refusal(Code.INVALID_ARGUMENTS, "an edit changes neither the pair nor the side")
    if original.triggered:
        return Refusal(Code.INVALID_ARGUMENTS, "a triggered order cannot be edited")
    if was.options.close is not None or was.options.closes is not None:
        return Refusal(Code.INVALID_ARGUMENTS, "an order with a conditional close cannot be edited")
    if order.lots < original.filled:
        return Refusal(Code.INVALID_VOLUME, "more of the order has been filled than the new quantity")
    return None
