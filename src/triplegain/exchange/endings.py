"""How orders at the exchange end without a fill: taken back, by their date, or all at once by the dead man's switch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from triplegain.domain.orders import OrderStatus
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange import cancel_after
from triplegain.exchange.account import Account
from triplegain.exchange.admission import check_cancel
from triplegain.exchange.cancel_after import CancelAllAfter
from triplegain.exchange.commands import Command, Start
from triplegain.exchange.engine import Engine
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.rate_limit import cancel_cost
from triplegain.exchange.venue_market import VenueMarket
from triplegain.exchange.working_orders import WorkingOrders


class Endings:
    """`call_off` takes a timer that is not wanted any more."""

    def __init__(
        self,
        engine: Engine,
        markets: Mapping[str, VenueMarket],
        orders: WorkingOrders,
        account: Account,
        call_off: Callable[[Command], None],
    ) -> None:
        self._engine = engine
        self._markets = markets
        self._orders = orders
        self._account = account
        self._call_off = call_off
        self.switch = CancelAllAfter()

    def cancel(self, client_order_id: str) -> None:
        """A cancel that arrives."""
        order = self._orders.by_name.get(client_order_id)
        if order is None or not order.is_at_exchange:
            refusal: Refusal | None = Refusal(Code.UNKNOWN_OPEN_ORDER, "no open order has this id")
        else:
            refusal = self._cancel(order, self._markets[order.request.symbol])
        if refusal is not None:
            self._account.answers.tell_refused(client_order_id, "cancel", refusal)

    def _cancel(self, order: WorkingOrder, market: VenueMarket) -> Refusal | None:
        now_ns = self._engine.now_ns
        refusal = check_cancel(order, market)
        if refusal is None:
            market.rate.charge(cancel_cost(now_ns - order.touched_ns), now_ns)
            self.take_back(order, OrderStatus.CANCELLED, "User requested")
        return refusal

    def take_back(self, order: WorkingOrder, status: OrderStatus, reason: str) -> None:
        """End an order at the exchange, wherever it waits."""
        if order.scheduled:
            self._call_off(Start(order.number))
        else:
            self._markets[order.request.symbol].withdraw(order)
        self._engine.finish(order, status, reason)

    def expire(self, order: WorkingOrder) -> None:
        """Its date has passed. In a market that the exchange has closed nothing happens before it opens again, and a
        stop that the tape has gone through has been sold there."""
        market = self._markets[order.request.symbol]
        if not market.is_closed and not order.passed:
            self.take_back(order, OrderStatus.EXPIRED, "the order's good-till date passed")

    def go_off(self) -> None:
        """The time of the switch may be over: all orders at the exchange go, those of a closed market when it opens."""
        if not self.switch.goes_off(self._engine.now_ns):
            return
        for symbol, market in self._markets.items():
            if not market.is_closed:
                self._cancel_market(symbol)
            elif self._orders.open_count(symbol):
                self.switch.wait_for(symbol)

    def reopened(self, symbol: str) -> None:
        """Dates that passed meanwhile count now, in their order, and the switch."""
        dated = [(order.request.expires_at_ns, order) for order in self._orders.of_symbol(symbol)]
        due = [(date, order) for date, order in dated if date is not None and date <= self._engine.now_ns]
        for _, order in sorted(due, key=lambda each: each[0]):
            if order.status is not OrderStatus.PENDING:
                self.expire(order)
        if self.switch.opened(symbol):
            self._cancel_market(symbol)

    def _cancel_market(self, symbol: str) -> None:
        for order in self._orders.of_symbol(symbol):
            if order.is_at_exchange and not order.passed:
                self.take_back(order, OrderStatus.CANCELLED, cancel_after.REASON)
