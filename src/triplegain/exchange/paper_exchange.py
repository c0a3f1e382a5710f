"""The paper exchange: market events and commands in, exchange events out. No I/O, no clock, no randomness unseeded.

Same events, commands, settings and seed give the same answers, byte for byte, whether events come one at a time from
a live feed or as fast as a capture can be read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from triplegain.domain import ids
from triplegain.domain.exchange_events import CommandRefused, ExchangeEvent, OrderRejected, OrderSubmitted
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent
from triplegain.domain.orders import AmendRequest, OrderRequest, OrderStatus, TimeInForce
from triplegain.exchange.account import Account
from triplegain.exchange.admission import check_market, check_rules, read_terms, tradable
from triplegain.exchange.commands import Agenda, Amend, Cancel, Command, Expire, Place
from triplegain.exchange.latency import Latency
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.queue import QueueEstimator
from triplegain.exchange.rate_limit import PLACE_COST, cancel_cost
from triplegain.exchange.refusal import ORDERS_LIMIT, RATE_LIMIT, UNKNOWN_ORDER, UNKNOWN_PAIR, Refusal
from triplegain.exchange.settings import ExchangeSettings
from triplegain.exchange.venue_market import VenueMarket
from triplegain.ledger.wallet import Wallet

#: How many final client order ids are remembered here; the session's record remembers all of them.
_RECENT_IDS = 256


class PaperExchange:
    """One account on every instrument of a session.

    `place`, `cancel` and `amend` are the `Broker` protocol: they send, the answers come as events. `drain_events`
    hands over what happened since the last call; `next_due_ns` is when something happens without a market event.
    """

    def __init__(
        self, session: str, instruments: Mapping[Instrument, MarketDepth], wallet: Wallet, settings: ExchangeSettings
    ) -> None:
        self.session = session
        self.wallet = wallet
        self.settings = settings
        self.now_ns = 0
        self.orders: dict[str, WorkingOrder] = {}
        self._numbers: dict[int, WorkingOrder] = {}
        self.recent: OrderedDict[str, int] = OrderedDict()
        self.agenda = Agenda()
        self.latency = Latency(settings)
        self.queue = QueueEstimator(settings.queue_model, settings.seed + 1)
        self.order_count = 0
        self._open: dict[str, int] = {}
        self.next_due_ns = self.agenda.next_due_ns
        self.markets: dict[str, VenueMarket] = {
            instrument.symbol: VenueMarket(instrument, depth, self, self.queue, settings)
            for instrument, depth in instruments.items()
        }
        self.account = Account(session, self, self.markets, wallet, self.latency, settings)

    # -- what the market does ------------------------------------------------------------------------------------

    def market(self, symbol: str) -> VenueMarket:
        return self.markets[symbol]

    def on_event(self, event: MarketEvent) -> None:
        """One message of the feed."""
        market = self.markets.get(event.symbol)
        if market is None:
            self.run_through(event.exchange_time_ns)
        else:
            market.on_event(event)

    def run_before(self, time_ns: int) -> None:
        """Let time pass to just before `time_ns`."""
        while self.agenda.next_due_ns < time_ns:
            self._run_next()
        self.next_due_ns = self.agenda.next_due_ns

    def run_through(self, time_ns: int) -> None:
        """Let time pass up to and including `time_ns`."""
        while self.agenda.next_due_ns <= time_ns:
            self._run_next()
        self.next_due_ns = self.agenda.next_due_ns
        self.now_ns = max(self.now_ns, time_ns)

    def _run_next(self) -> None:
        due_ns, command = self.agenda.pop()
        self.now_ns = max(self.now_ns, due_ns)
        self._execute(command)

    def drain_events(self) -> list[ExchangeEvent]:
        return self.account.drain()

    # -- what a client does --------------------------------------------------------------------------------------

    def place(self, request: OrderRequest) -> None:
        """Send an order. A client order id that is known already sends nothing: it is the same order."""
        if request.client_order_id in self.orders or request.client_order_id in self.recent:
            return
        self.order_count += 1
        number = self.order_count
        order_id = ids.order_id(self.session, number)
        market = self.markets.get(request.symbol)
        arrives_ns = self.now_ns + self.latency.place()
        stamp = self.account.stamp(visible_at_ns=self.now_ns)
        cut = None if market is None else tradable(market.instrument, request.quantity)
        quantity = None if cut == request.quantity else cut
        self.account.tell(OrderSubmitted(*stamp, number, order_id, request, arrives_ns, quantity))
        if market is None:
            refusal = Refusal(UNKNOWN_PAIR, f"{request.symbol} is not traded in this session")
            self._reject(number, request, refusal)
            return
        order = WorkingOrder(number, order_id, request, market.instrument, self.now_ns)
        order.quote_at_decision = market.quotes()
        self.orders[request.client_order_id] = order
        self._numbers[number] = order
        self._schedule(arrives_ns, Place(number))

    def cancel(self, client_order_id: str) -> None:
        """It never overtakes the order that it cancels: both go the same way."""
        arrives_ns, order = self.now_ns + self.latency.cancel(), self.orders.get(client_order_id)
        if order is not None and order.status is OrderStatus.PENDING:
            arrives_ns = max(arrives_ns, self.agenda.due_ns(Place(order.number)))
        self._schedule(arrives_ns, Cancel(client_order_id))

    def amend(self, request: AmendRequest) -> None:
        self._schedule(self.now_ns + self.latency.place(), Amend(request))

    def _schedule(self, due_ns: int, command: Command) -> None:
        self.agenda.add(due_ns, command)
        self.next_due_ns = self.agenda.next_due_ns

    # -- commands arriving at the engine -------------------------------------------------------------------------

    def _execute(self, command: Command) -> None:
        match command:
            case Place(number=number):
                self._arrive(self._numbers[number])
            case Cancel(client_order_id=client_order_id):
                self._cancel_now(client_order_id)
            case Amend(request=request):
                self._amend_now(request)
            case Expire(number=number):
                order = self._numbers.get(number)
                if order is not None:
                    self.markets[order.request.symbol].withdraw(order)
                    self.finish(order, OrderStatus.EXPIRED, "the order's good-till date passed")

    def _arrive(self, order: WorkingOrder) -> None:
        market = self.markets[order.request.symbol]
        order.arrived_ns = order.touched_ns = self.now_ns
        order.quote_at_arrival = market.quotes()
        refusal = self._examine(order, market)
        if refusal is not None:
            self._forget(order)
            self._reject(order.number, order.request, refusal)
            return
        order.status = OrderStatus.OPEN
        order.opened_ns = self.now_ns
        self._open[order.request.symbol] = self._open.get(order.request.symbol, 0) + 1
        self.account.tell_accepted(order)
        if order.request.time_in_force is TimeInForce.GTD and order.request.expires_at_ns is not None:
            self._schedule(order.request.expires_at_ns, Expire(order.number))
        market.admit(order)

    def _examine(self, order: WorkingOrder, market: VenueMarket) -> Refusal | None:
        """Every check in the exchange's order; the last one reserves the funds."""
        symbol = market.instrument.symbol
        within_rate = market.rate.charge(PLACE_COST, self.now_ns)
        refusal = read_terms(order) or check_market(order, market) or check_rules(order, market, self.now_ns)
        if refusal is not None:
            return refusal
        if not within_rate:
            return Refusal(RATE_LIMIT, f"too many order commands on {symbol}: wait for the counter to decay")
        if not market.rate.allows_another(self._open.get(symbol, 0)):
            return Refusal(ORDERS_LIMIT, f"too many open orders on {symbol}")
        return self.account.reserve(order, market)

    def _reject(self, number: int, request: OrderRequest, refusal: Refusal) -> None:
        stamp = self.account.answer()
        self.account.tell(
            OrderRejected(*stamp, number, request.client_order_id, request.symbol, refusal.code, refusal.reason)
        )
        self._remember(request.client_order_id, number)

    def _cancel_now(self, client_order_id: str) -> None:
        order = self.orders.get(client_order_id)
        if order is None or order.status is OrderStatus.PENDING:
            self.refuse_command(client_order_id, "cancel", Refusal(UNKNOWN_ORDER, "no open order has this id"))
            return
        market = self.markets[order.request.symbol]
        market.rate.charge(cancel_cost(self.now_ns - order.touched_ns), self.now_ns)
        market.withdraw(order)
        self.finish(order, OrderStatus.CANCELLED, "User requested")

    def _amend_now(self, request: AmendRequest) -> None:
        order = self.orders.get(request.client_order_id)
        if order is None or order.status is OrderStatus.PENDING:
            refusal: Refusal | None = Refusal(UNKNOWN_ORDER, "no open order has this id")
        else:
            refusal = self.account.amend(self.markets[order.request.symbol], order, request)
        if refusal is not None:
            self.refuse_command(request.client_order_id, "amend", refusal, request)

    def refuse_command(
        self, client_order_id: str, command: str, refusal: Refusal, amend: AmendRequest | None = None
    ) -> None:
        stamp = self.account.answer()
        self.account.tell(CommandRefused(*stamp, client_order_id, command, refusal.code, refusal.reason, amend))

    # -- what a market asks of its engine ------------------------------------------------------------------------

    def fill(self, order: WorkingOrder, price: int, lots: int, maker: bool, model: str, cause: dict[str, Any]) -> None:
        self.account.fill(order, price, lots, maker, model, cause)
        if order.status is OrderStatus.FILLED:
            self._closed(order)

    def finish(self, order: WorkingOrder, status: OrderStatus, reason: str) -> None:
        order.status = status
        self.account.finish(order, reason)
        self._closed(order)

    def take_out(self, number: int, reason: str) -> WorkingOrder | None:
        """End an order that nothing can be done with, under way or open; None where there is no such order."""
        order = self._numbers.get(number)
        if order is None:
            return None
        if order.status is OrderStatus.PENDING:
            self.agenda.remove(Place(number))
            self.next_due_ns = self.agenda.next_due_ns
            self._open[order.request.symbol] = self._open.get(order.request.symbol, 0) + 1
        else:
            self.markets[order.request.symbol].withdraw(order)
        self.finish(order, OrderStatus.ERROR, reason)
        return order

    def trigger(self, order: WorkingOrder, last: int) -> None:
        self.account.tell_triggered(order, last)

    def affordable(self, order: WorkingOrder, price: int, lots: int) -> int:
        return self.account.affordable(order, price, lots)

    def _closed(self, order: WorkingOrder) -> None:
        self._open[order.request.symbol] -= 1
        self._forget(order)
        self._remember(order.client_order_id, order.number)

    def adopt(self, order: WorkingOrder, is_open: bool) -> None:
        """Take over an order from a stored state."""
        self.orders[order.client_order_id] = order
        self._numbers[order.number] = order
        if is_open:
            symbol = order.request.symbol
            self._open[symbol] = self._open.get(symbol, 0) + 1

    def _forget(self, order: WorkingOrder) -> None:
        del self.orders[order.client_order_id]
        del self._numbers[order.number]

    def _remember(self, client_order_id: str, number: int) -> None:
        self.recent[client_order_id] = number
        if len(self.recent) > _RECENT_IDS:
            self.recent.popitem(last=False)
