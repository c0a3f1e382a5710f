"""The paper exchange: market events and commands in, exchange events out. No I/O, no clock, no randomness unseeded.

Same events, commands, settings and seed give the same answers, byte for byte, whether events come one at a time from
a live feed or as fast as a capture can be read.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain import ids
from triplegain.domain.exchange_events import CommandRefused, ExchangeEvent, OrderRejected, OrderSubmitted
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent
from triplegain.domain.orders import AmendRequest, Market, OrderRequest, OrderStatus, TimeInForce
from triplegain.domain.parts import Parts, Touch, nobody
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.account import Account
from triplegain.exchange.admission import check_cancel, check_market, check_rules, read_terms, tradable
from triplegain.exchange.budget import CommandBudget
from triplegain.exchange.commands import Amend, Cancel, Command, Due, EventQueue, Expire, Latency, Place
from triplegain.exchange.order import Role, StoredOrder, WorkingOrder, stored_order, working_order
from triplegain.exchange.queue import QueueEstimator
from triplegain.exchange.rate_limit import PLACE_COST, cancel_cost
from triplegain.exchange.settings import ExchangeSettings
from triplegain.exchange.venue_market import MarketStanding, VenueMarket
from triplegain.ledger.wallet import Wallet

#: How many final client order ids are remembered here; the session's record remembers all of them.
_RECENT_IDS = 256
#: What stands in the row of an order that could not be stored as it was sent.
_BARE: dict[str, Any] = {
    "quantity": Decimal(0), "terms": Market(), "time_in_force": TimeInForce.GTC, "expires_at_ns": None, "leverage": 1,
}  # fmt: skip


class ExchangeNumbers(msgspec.Struct, frozen=True):
    """Time and the last number of everything that is counted; `answered_ns`: when the last answer reaches us."""

    now_ns: int
    orders: int
    commands: int
    events: int
    fills: int
    answered_ns: int
    latency_draws: int
    queue_draws: int


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
        self._orders_by_key: dict[str, WorkingOrder] = {}
        #: Client order ids of orders that are over -> number of the last event then, oldest first.
        self._recent: OrderedDict[str, int] = OrderedDict()
        self.touch: Touch = nobody
        self.touch_market: Touch = nobody
        self._touch_recent: Touch = nobody
        self.agenda = EventQueue()
        self.latency = Latency(settings)
        self.queue = QueueEstimator(settings.queue_model, settings.seed + 1)
        self.order_count = 0
        #: Requests that no row can hold, with the words for it: sent again, they are over at once.
        self.unstorable: dict[OrderRequest, str] = {}
        self._arriving_ns = 0
        self._open: Counter[str] = Counter()
        self.next_due_ns = self.agenda.next_due_ns
        self.markets: dict[str, VenueMarket] = {
            instrument.symbol: VenueMarket(instrument, depth, self, self.queue, settings)
            for instrument, depth in instruments.items()
        }
        self.budget = CommandBudget(self.markets, self.orders, self._orders_by_key, self.agenda)
        self.account = Account(session, self, self.markets, self.orders, wallet, self.latency, settings)

    # -- what the market does ------------------------------------------------------------------------------------

    def on_event(self, event: MarketEvent) -> bool:
        """One message of the feed; False for a trade that cannot have been, and that nobody is to believe."""
        market = self.markets.get(event.symbol)
        if market is not None:
            return market.on_event(event)
        self.run_through(event.exchange_time_ns)
        return True

    def run_through(self, time_ns: int) -> None:
        """Let time pass up to and including `time_ns`."""
        while self.agenda.next_due_ns <= time_ns:
            self._run_next()
        self.next_due_ns = self.agenda.next_due_ns
        self.now_ns = max(self.now_ns, time_ns)

    def _run_next(self) -> None:
        number, due = self.agenda.pop()
        self.now_ns = max(self.now_ns, due.due_ns)
        if isinstance(due.command, Cancel | Amend):
            self.account.asked = number
        self._execute(due.command)

    def drain_events(self) -> list[ExchangeEvent]:
        return self.account.drain()

    # -- what a client does --------------------------------------------------------------------------------------

    @property
    def last_command(self) -> int:
        """The number of what was sent last; `Account.drain_answered` names it when it is answered."""
        return self.agenda.added

    def place(self, request: OrderRequest) -> None:
        """Send an order. A client order id that is known already sends nothing: it is the same order."""
        if request.client_order_id in self.orders or request.client_order_id in self._recent:
            return
        taken_out = self.unstorable.get(request) if self.unstorable else None
        if taken_out is not None:
            request = msgspec.structs.replace(request, **_BARE)
        self.order_count += 1
        number = self.order_count
        order_id = ids.order_id(self.session, number)
        market = self.markets.get(request.symbol)
        arrives_ns = self._arrival_ns(self.latency.place())
        stamp = self.account.stamp(visible_at_ns=self.now_ns)
        cut = None if market is None else tradable(market.instrument, request.quantity)
        quantity = None if cut == request.quantity else cut
        self.account.tell(OrderSubmitted(*stamp, number, order_id, request, arrives_ns, quantity))
        if market is None:
            refusal = Refusal(Code.UNKNOWN_PAIR, f"{request.symbol} is not traded in this session")
            self._reject(number, request, refusal)
            return
        order = WorkingOrder(number, order_id, request, market.instrument, self.now_ns, arrives_ns)
        order.quote_at_decision = market.seen_quotes()
        self._keep(order)
        self.touch(order.key)
        self._schedule(arrives_ns, Place(number))
        if taken_out is not None:
            self.take_out(number, taken_out)

    def cancel(self, client_order_id: str) -> None:
        self._schedule(self._arrival_ns(self.latency.cancel()), Cancel(client_order_id))

    def amend(self, request: AmendRequest) -> None:
        self._schedule(self._arrival_ns(self.latency.place()), Amend(request))

    def _arrival_ns(self, delay_ns: int) -> int:
        """Commands travel one channel: a later one never overtakes an earlier one."""
        self._arriving_ns = max(self._arriving_ns, self.now_ns + delay_ns)
        return self._arriving_ns

    def _schedule(self, due_ns: int, command: Command) -> None:
        self.agenda.add(due_ns, command)
        self.next_due_ns = self.agenda.next_due_ns

    # -- commands arriving at the engine -------------------------------------------------------------------------

    def _execute(self, command: Command) -> None:
        match command:
            case Place(number=number):
                self._arrive(self._orders_by_key[str(number)])
            case Cancel(client_order_id=client_order_id):
                self._cancel_now(client_order_id)
            case Amend(request=request):
                self._amend_now(request)
            case Expire(number=number):
                if (order := self._orders_by_key.get(str(number))) is not None:
                    self._expire(order)

    def _arrive(self, order: WorkingOrder) -> None:
        market = self.markets[order.request.symbol]
        order.arrived_ns = order.touched_ns = self.now_ns
        order.quote_at_arrival = market.seen_quotes()
        self.touch(order.key)
        refusal = self._examine(order, market)
        if refusal is not None:
            self._forget(order)
            self._reject(order.number, order.request, refusal)
            return
        order.status = OrderStatus.OPEN
        order.opened_ns = self.now_ns
        self._open[order.request.symbol] += 1
        self.account.tell_accepted(order)
        if order.price and order.request.terms.price is None:
            self.account.tell_priced(order)
        if order.request.time_in_force is TimeInForce.GTD and order.request.expires_at_ns is not None:
            self._schedule(order.request.expires_at_ns, Expire(order.number))
        market.admit(order)

    def _examine(self, order: WorkingOrder, market: VenueMarket) -> Refusal | None:
        """Every check in the exchange's order; the last one reserves the funds."""
        symbol = market.instrument.symbol
        within_rate = market.charge(PLACE_COST, self.now_ns)
        refusal = (
            read_terms(order, market.last) or check_market(order, market) or check_rules(order, market, self.now_ns)
        )
        if refusal is not None:
            return refusal
        if not within_rate:
            return Refusal(Code.RATE_LIMIT, f"too many order commands on {symbol}: wait for the counter to decay")
        if not market.rate.allows_another(self._open[symbol]):
            return Refusal(Code.ORDERS_LIMIT, f"too many open orders on {symbol}")
        return self.account.reserve(order, market)

    def _reject(self, number: int, request: OrderRequest, refusal: Refusal) -> None:
        stamp = self.account.answer()
        self.account.tell(
            OrderRejected(*stamp, number, request.client_order_id, request.symbol, refusal.code, refusal.reason)
        )
        self._remember(request.client_order_id)

    def _cancel_now(self, client_order_id: str) -> None:
        order = self.orders.get(client_order_id)
        if order is None or order.status is OrderStatus.PENDING:
            self.refuse_command(
                client_order_id, "cancel", Refusal(Code.UNKNOWN_OPEN_ORDER, "no open order has this id")
            )
            return
        market = self.markets[order.request.symbol]
        if (refusal := check_cancel(order, market)) is not None:
            self.refuse_command(client_order_id, "cancel", refusal)
            return
        market.charge(cancel_cost(self.now_ns - order.touched_ns), self.now_ns)
        market.withdraw(order)
        self.finish(order, OrderStatus.CANCELLED, "User requested")

    def hold(self, words: str) -> None:
        """Nothing is matched anywhere because of `words`; empty: markets are as their feed says."""
        for market in self.markets.values():
            market.hold(words, self.now_ns)

    def _expire(self, order: WorkingOrder) -> None:
        """Its date has passed. In a market that the exchange has closed nothing happens before it opens again, and a
        stop that the tape has gone through has been sold there."""
        market = self.markets[order.request.symbol]
        if not market.is_closed and not order.passed:
            market.withdraw(order)
            self.finish(order, OrderStatus.EXPIRED, "the order's good-till date passed")

    def reopened(self, symbol: str) -> None:
        """Dates that passed meanwhile count now, before anything is matched."""
        for order in [each for each in self.orders.values() if each.request.symbol == symbol]:
            expires_ns = order.request.expires_at_ns
            if order.status is not OrderStatus.PENDING and expires_ns is not None and expires_ns <= self.now_ns:
                self._expire(order)

    def _amend_now(self, request: AmendRequest) -> None:
        order = self.orders.get(request.client_order_id)
        if order is None or order.status is OrderStatus.PENDING:
            refusal: Refusal | None = Refusal(Code.UNKNOWN_OPEN_ORDER, "no open order has this id")
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
        self.touch(order.key)
        if order.status is OrderStatus.FILLED:
            self._closed(order)

    def finish(self, order: WorkingOrder, status: OrderStatus, reason: str) -> None:
        order.status = status
        self.account.finish(order, reason)
        self._closed(order)

    def take_out(self, number: int, reason: str) -> WorkingOrder | None:
        """End an order that nothing can be done with, under way or open; None where there is no such order."""
        order = self._orders_by_key.get(str(number))
        if order is None:
            return None
        if order.status is OrderStatus.PENDING:
            self.agenda.remove(Place(number))
            self.next_due_ns = self.agenda.next_due_ns
            self._open[order.request.symbol] += 1
        else:
            self.markets[order.request.symbol].withdraw(order)
        self.finish(order, OrderStatus.ERROR, reason)
        return order

    def trigger(self, order: WorkingOrder, last: int) -> None:
        order.fire()
        self.account.tell_triggered(order, last)
        if order.role is Role.LIMIT:
            self.account.tell_priced(order)
        self.touch(order.key)

    def refilled(self, order: WorkingOrder) -> None:
        self.account.tell_refilled(order)
        self.touch(order.key)

    def affordable(self, order: WorkingOrder, price: int, lots: int) -> int:
        return self.account.affordable(order, price, lots)

    def _closed(self, order: WorkingOrder) -> None:
        self._open[order.request.symbol] -= 1
        self._forget(order)
        self._remember(order.client_order_id)

    def _keep(self, order: WorkingOrder) -> None:
        self.orders[order.client_order_id] = order
        self._orders_by_key[order.key] = order

    def _forget(self, order: WorkingOrder) -> None:
        del self.orders[order.client_order_id]
        del self._orders_by_key[order.key]
        self.touch(order.key)

    def _remember(self, client_order_id: str) -> None:
        self._recent[client_order_id] = self.account.sequence
        self._touch_recent(client_order_id)
        if len(self._recent) > _RECENT_IDS:
            self._touch_recent(self._recent.popitem(last=False)[0])

    # -- what a session keeps ------------------------------------------------------------------------------------

    def register(self, parts: Parts) -> None:
        """Everything but the public books, which the feed rebuilds: to be restored when it has been played, without
        orders, up to where they were stored. The wallet is its owner's."""
        parts.single("exchange.numbers", ExchangeNumbers, self._counted, self._restore_numbers)
        self.touch_market = parts.keyed(
            "exchange.market", MarketStanding, lambda symbol: self.markets[symbol].standing(), self._restore_markets,
            self.markets.keys,
        )  # fmt: skip
        self.touch = parts.keyed(
            "exchange.order", StoredOrder, self._stored_order, self._restore_orders, self._orders_by_key.keys
        )
        self._touch_recent = parts.table("exchange.recent", int, self._recent, restore=self._restore_recent)
        self.agenda.touch = parts.table("exchange.command", Due, self.agenda.waiting, restore=self._restore_commands)
        self.account.volume.register(parts)
        touch_taken = parts.keyed("exchange.taken", int, self._taken, self._restore_taken, self._taken_keys)
        for symbol, market in self.markets.items():
            market.book.touch_taken = _named(symbol, touch_taken)

    def _counted(self) -> ExchangeNumbers:
        account = self.account
        return ExchangeNumbers(
            self.now_ns, self.order_count, self.agenda.added, account.sequence, account.fill_count,
            account.answered_ns, self.latency.draws, self.queue.draws,
        )  # fmt: skip

    def _restore_numbers(self, stored: ExchangeNumbers) -> None:
        self.now_ns = max(self.now_ns, stored.now_ns)
        self.order_count, self.agenda.added = stored.orders, stored.commands
        self.account.sequence, self.account.fill_count = stored.events, stored.fills
        self.account.answered_ns = stored.answered_ns
        self.latency.draws, self.queue.draws = stored.latency_draws, stored.queue_draws

    def _restore_markets(self, stored: Mapping[str, MarketStanding]) -> None:
        for symbol, standing in stored.items():
            self.markets[symbol].restore(standing)

    def _stored_order(self, key: str) -> msgspec.Struct | None:
        order = self._orders_by_key.get(key)
        return None if order is None else stored_order(order)

    def _restore_orders(self, stored: Mapping[str, Any]) -> None:
        for each in sorted(stored.values(), key=lambda order: (order.place, order.number)):
            symbol: str = each.request.symbol
            order = working_order(each, self.markets[symbol].instrument)
            self._keep(order)
            if order.status is not OrderStatus.PENDING:
                self._open[symbol] += 1
                self.markets[symbol].wait(order)

    def _restore_commands(self, stored: dict[str, Due]) -> None:
        self.agenda.restore(stored)
        self.next_due_ns = self.agenda.next_due_ns
        # Nothing overtakes what is still under way; whatever has arrived is behind us.
        under_way = (due.due_ns for due in stored.values() if not isinstance(due.command, Expire))
        self._arriving_ns = max(under_way, default=0)

    def _restore_recent(self, stored: Mapping[str, int]) -> None:
        self._recent.update(sorted(stored.items(), key=lambda each: each[1]))

    def _taken_keys(self) -> Iterator[str]:
        for symbol, market in self.markets.items():
            for side, levels in enumerate(market.book.taken):
                yield from (f"{symbol} {side} {price}" for price in levels)

    def _taken(self, key: str) -> int | None:
        symbol, side, price = key.split(" ")
        return self.markets[symbol].book.taken[int(side)].get(int(price))

    def _restore_taken(self, stored: Mapping[str, int]) -> None:
        for key, lots in stored.items():
            symbol, side, price = key.split(" ")
            self.markets[symbol].book.taken[int(side)][int(price)] = lots


def _named(symbol: str, touch: Touch) -> Callable[[int, int], None]:
    return lambda side, price: touch(f"{symbol} {side} {price}")
