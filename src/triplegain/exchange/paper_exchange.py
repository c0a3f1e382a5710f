"""The paper exchange: market events and commands in, exchange events out. No I/O, no clock, no randomness unseeded.

Same events, commands, settings and seed give the same answers, byte for byte, whether events come one at a time from
a live feed or as fast as a capture can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, assert_never

import msgspec
from msgspec import UNSET

from triplegain.domain import ids
from triplegain.domain.exchange_events import ExchangeEvent, OrderSubmitted
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import AmendRequest, Market, OrderOptions, OrderRequest, OrderStatus, TimeInForce
from triplegain.domain.parts import Parts, Touch, nobody
from triplegain.domain.queue_path import QueueChange
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange import cancel_after
from triplegain.exchange.account import Account
from triplegain.exchange.account_book import TakenLiquidity
from triplegain.exchange.agenda import Due, EventQueue
from triplegain.exchange.approach import Approaches
from triplegain.exchange.arrivals import Arrivals
from triplegain.exchange.budget import CommandBudget
from triplegain.exchange.candle_time import ToldCandle
from triplegain.exchange.channels import Channels
from triplegain.exchange.commands import (
    Amend,
    Cancel,
    CancelAfter,
    Command,
    Expire,
    GoOff,
    OpenLinked,
    Place,
    PlaceBatch,
    RollOver,
    Start,
    is_under_way,
    order_of,
)
from triplegain.exchange.conditional_close import closing_order, goes_by_the_fill
from triplegain.exchange.endings import Endings
from triplegain.exchange.latency import Latency
from triplegain.exchange.margin.liquidation import Liquidation
from triplegain.exchange.order import Role, WorkingOrder
from triplegain.exchange.public_market import PublicMarket
from triplegain.exchange.queue import QueueEstimator, leavers
from triplegain.exchange.queue_path import QueuePaths
from triplegain.exchange.settings import ExchangeSettings
from triplegain.exchange.venue_market import MarketStanding, VenueMarket
from triplegain.exchange.working_orders import WorkingOrders
from triplegain.ledger.wallet import Wallet

#: What stands in the row of an order that could not be stored as it was sent.
_BARE: dict[str, Any] = {
    "quantity": Decimal(0), "terms": Market(), "time_in_force": TimeInForce.GTC, "expires_at_ns": None, "leverage": 1,
    "options": OrderOptions(),
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

    `place`, `place_batch`, `cancel` and `amend` are the `Broker` protocol: they send, the answers come as events.
    `drain_events` hands over what happened since the last call; `next_due_ns` is when something happens without a
    market event.
    """

    def __init__(
        self, session: str, public: Mapping[str, PublicMarket], wallet: Wallet, settings: ExchangeSettings
    ) -> None:
        """`public` are the markets by symbol, which other accounts may follow as well."""
        self.session = session
        self.wallet = wallet
        self.settings = settings
        self.now_ns = 0
        self._working = WorkingOrders()
        self.orders = self._working.by_name
        self.touch: Touch = nobody
        self.paths = QueuePaths()
        self.agenda = EventQueue()
        self.latency = Latency(settings)
        self._channels = Channels(self.latency)
        self.queue = QueueEstimator(leavers(settings), settings.seed + 1)
        self.order_count = 0
        #: Requests that no row can hold, with the words for it: sent again, they are over at once.
        self.unstorable: dict[OrderRequest, str] = {}
        self.next_due_ns = self.agenda.next_due_ns
        self.public = public
        #: Told when a market begins to do something to this account.
        self.stir: Callable[[], None] = lambda: None
        #: Told what went wrong within while a market did something to this account; it may be one of several there.
        self.failed: Callable[[Exception], None] = _raise
        self._taken, self._approaches = TakenLiquidity(), Approaches()
        self.markets: dict[str, VenueMarket] = {
            symbol: VenueMarket(each, self, self.queue, settings, self._taken, self._approaches)
            for symbol, each in public.items()
        }
        self.budget = CommandBudget(self.markets, self._working, self.agenda)
        self.account = Account(session, self, self.markets, self._working, wallet, self._channels, settings)
        self._arrivals = Arrivals(self, self.markets, self._working, self.account, self._schedule)
        self._endings = Endings(self, self.markets, self._working, self.account, self._call_off)
        margin = self.margin = self.account.margin
        margin.schedule, margin.call_off = self._schedule, self._call_off
        self._liquidation = Liquidation(margin, self.markets, self.orders, self, self.account.answers.tell)

    # -- what the market does ------------------------------------------------------------------------------------

    def on_event(self, event: MarketEvent) -> bool:
        """One message of the feed; False for a trade that cannot have been, and that nobody is to believe."""
        time_ns, agenda = event.exchange_time_ns, self.agenda
        if time_ns < self.now_ns:
            time_ns = self.now_ns
        if agenda.next_due_ns < time_ns:
            self.run_through(time_ns - 1)
        self.now_ns = time_ns
        market = self.public.get(event.symbol)
        is_believed = True if market is None else market.on_event(event, time_ns)
        if agenda.next_due_ns <= time_ns or self.margin.is_used:
            self.follow(event, time_ns)
        return is_believed

    def follow(self, event: MarketEvent, time_ns: int) -> None:
        """What is due with a message that the public market has taken."""
        if self.agenda.next_due_ns <= time_ns:
            self.run_through(time_ns)
        if self.margin.is_used and (market := self.markets.get(event.symbol)) is not None:
            self._liquidation.look(event, market)

    def run_before(self, time_ns: int) -> None:
        """Everything due before a message that is worked on at that time."""
        if self.agenda.next_due_ns < time_ns:
            self.run_through(time_ns - 1)
        if time_ns > self.now_ns:
            self.now_ns = time_ns

    def leave(self) -> None:
        """Nothing that happens in the markets concerns this account any more."""
        for market in self.markets.values():
            market.public.leave(market)
            market.public.ignore(market.approach)

    def wake(self, time_ns: int) -> None:
        if time_ns > self.now_ns:
            self.now_ns = time_ns
        self.stir()

    def fail(self, error: Exception) -> None:
        self.failed(error)

    def run_through(self, time_ns: int) -> None:
        """Let time pass up to and including `time_ns`."""
        agenda = self.agenda
        while agenda.next_due_ns <= time_ns:
            number, due = agenda.pop()
            if due.due_ns > self.now_ns:
                self.now_ns = due.due_ns
            self._execute(number, due.command)
        self.next_due_ns = agenda.next_due_ns
        if time_ns > self.now_ns:
            self.now_ns = time_ns

    def drain_events(self) -> list[ExchangeEvent]:
        return self.account.drain()

    # -- what a client does --------------------------------------------------------------------------------------

    @property
    def last_command(self) -> int:
        """The number of what was sent last; `Answers.drain_answered` names it when it is answered."""
        return self.agenda.added

    def place(self, request: OrderRequest) -> None:
        """Send an order. A client order id that is known already sends nothing: it is the same order."""
        if not self._working.is_known(request.client_order_id):
            replaced = self._working.by_name.get(request.options.replaces or "")
            arrives_ns = self._channels.arrival_ns(
                self.now_ns, self.latency.place(), self.markets.get(request.symbol), replaced
            )
            order, taken_out = self._submit(request, arrives_ns)
            if order is not None:
                self._schedule(arrives_ns, Place(order.number))
                if taken_out:
                    self.take_out(order.number, taken_out)

    def place_batch(self, requests: Sequence[OrderRequest]) -> None:
        """Send orders of one pair together; those whose client order id is known already are not sent again."""
        new = [request for request in requests if not self._working.is_known(request.client_order_id)]
        if not new:
            return
        arrives_ns = self._arrival_ns(self.latency.place(), self.markets.get(new[0].symbol))
        sent = [self._submit(request, arrives_ns) for request in new]
        numbers = tuple(order.number for order, _ in sent if order is not None)
        if numbers:
            self._schedule(arrives_ns, PlaceBatch(numbers))
        for order, taken_out in sent:
            if order is not None and taken_out:
                self.take_out(order.number, taken_out)

    def validate(self, request: OrderRequest) -> Refusal | None:
        """Why an order would be refused if it arrived now. Nothing is sent, held or told; only its cost is charged."""
        market = self.markets.get(request.symbol)
        if market is None:
            return Refusal(Code.UNKNOWN_PAIR, f"{request.symbol} is not traded in this session")
        return self._arrivals.examine(WorkingOrder(0, "", request, market.instrument, self.now_ns, self.now_ns))

    def cancel(self, client_order_id: str) -> None:
        self._schedule(self._change_ns(self.latency.cancel(), client_order_id), Cancel(client_order_id))

    def cancel_batch(self, client_order_ids: Sequence[str]) -> tuple[int, ...]:
        """Cancels that travel together, each with an answer of its own; their numbers."""
        delay_ns, numbers = self.latency.cancel(), []
        for name in client_order_ids:
            self._schedule(self._change_ns(delay_ns, name), Cancel(name))
            numbers.append(self.last_command)
        return tuple(numbers)

    def cancel_all_after(self, timeout_s: int) -> int | None:
        """Set the dead man's switch anew, or switch it off with 0. When it will go off, counted from its arrival."""
        arrives_ns = self._arrival_ns(self.latency.cancel(), None)
        self._schedule(arrives_ns, CancelAfter(timeout_s))
        return cancel_after.trigger_ns(timeout_s, arrives_ns)

    def amend(self, request: AmendRequest) -> None:
        self._schedule(self._change_ns(self.latency.place(), request.client_order_id), Amend(request))

    def done_by_ns(self, symbol: str) -> int:
        """When what is sent now has been done and told, latency not counted: at once, or where candles have a time of
        their own, with the close of the next one."""
        return self._channels.done_by_ns(self.now_ns, self.markets[symbol])

    def bought_in_candle(self, symbol: str, name: str) -> bool:
        """Whether the candle that has just been told has bought for this order or position: a stop that is sent now
        still guards it there."""
        told = self.markets[symbol].simple.told
        return told is not None and name in (*told.bought, *told.sold) and told.answers(self.now_ns)

    def waits_for_candle(self, number: int) -> bool:
        """Whether a command that was sent is carried out only when a candle is over."""
        due = self.agenda.waiting.get(str(number))
        return due is not None and due.due_ns > self.now_ns and not self._is_on_channel(due)

    def _submit(self, request: OrderRequest, arrives_ns: int) -> tuple[WorkingOrder | None, str]:
        """The order under way, None where there is no such pair; and why it is to be taken out at once, if it is."""
        taken_out = self.unstorable.get(request, "") if self.unstorable else ""
        if taken_out:
            request = msgspec.structs.replace(request, **_BARE)
        market = self.markets.get(request.symbol)
        stamp = self.account.answers.stamp(visible_at_ns=self.now_ns)
        if market is None:
            self._tell_unknown_pair(request, stamp, arrives_ns)
            return None, ""
        order = self._submitted(request, market, stamp, arrives_ns)
        self.touch(order.key)
        return order, taken_out

    def _tell_unknown_pair(self, request: OrderRequest, stamp: tuple[int, int, int], arrives_ns: int) -> None:
        """It has the next number from here on, and is over."""
        self.order_count += 1
        order_id = ids.order_id(self.session, self.order_count)
        self.account.answers.tell(OrderSubmitted(*stamp, self.order_count, order_id, request, arrives_ns))
        refusal = Refusal(Code.UNKNOWN_PAIR, f"{request.symbol} is not traded in this session")
        self.account.answers.tell_rejected(self.order_count, request, refusal)
        self._working.remember(request.client_order_id, self.account.answers.sequence)

    def _submitted(
        self, request: OrderRequest, market: VenueMarket, stamp: tuple[int, int, int], arrives_ns: int
    ) -> WorkingOrder:
        """An order has the next number from here on, and is told and kept."""
        self.order_count += 1
        order_id = ids.order_id(self.session, self.order_count)
        order = WorkingOrder(self.order_count, order_id, request, market.instrument, self.now_ns, arrives_ns)
        cut = None if order.asked is None else market.instrument.quantity(order.asked)
        quantity = None if cut == request.quantity else cut
        self.account.answers.tell(OrderSubmitted(*stamp, order.number, order_id, request, arrives_ns, quantity))
        order.quote_at_decision = market.seen_quotes()
        self._working.keep(order)
        return order

    def _arrival_ns(self, delay_ns: int, market: VenueMarket | None, changed: WorkingOrder | None = None) -> int:
        return self._channels.arrival_ns(self.now_ns, delay_ns, market, changed)

    def _change_ns(self, delay_ns: int, client_order_id: str) -> int:
        order = self._working.by_name.get(client_order_id)
        return self._channels.arrival_ns(
            self.now_ns, delay_ns, None if order is None else self.markets[order.request.symbol], order
        )

    def _schedule(self, due_ns: int, command: Command) -> None:
        self.agenda.add(due_ns, command)
        self.next_due_ns = self.agenda.next_due_ns

    def _call_off(self, command: Command) -> None:
        self.agenda.remove(command)
        self.next_due_ns = self.agenda.next_due_ns

    # -- what is due at the engine -------------------------------------------------------------------------------

    def _execute(self, sent_as: int, command: Command) -> None:
        """`sent_as` is the number of a command of ours."""
        by_key = self._working.by_key
        match command:
            case Place(number=number):
                self._arrivals.arrive(by_key[str(number)])
            case PlaceBatch(numbers=numbers):
                # Those that were taken out on their way do not arrive.
                if there := [by_key[str(number)] for number in numbers if str(number) in by_key]:
                    self._arrivals.arrive_together(there)
            case OpenLinked(request=request, price=price):
                self._open_linked(request, None if price is UNSET else price)
            case Cancel(client_order_id=client_order_id):
                self.account.answers.asked = sent_as
                self._endings.cancel(client_order_id)
            case Amend(request=request):
                self.account.answers.asked = sent_as
                self._amend_now(request)
            case CancelAfter(timeout_s=timeout_s):
                if (goes_off_ns := self._endings.switch.set(timeout_s, self.now_ns)) is not None:
                    self._schedule(goes_off_ns, GoOff())
            case GoOff():
                self._endings.go_off()
            case Start(number=number):
                if (order := by_key.get(str(number))) is not None:
                    self._arrivals.start(order)
            case Expire(number=number):
                if (order := by_key.get(str(number))) is not None:
                    self._endings.expire(order)
            case RollOver(number=number):
                self.margin.roll_over(number)
            case _:
                assert_never(command)

    def _open_linked(self, request: OrderRequest, price: Decimal | None) -> None:
        """A fill has opened this order; we learn of it as of any answer."""
        market = self.markets[request.symbol]
        order = self._submitted(request, market, self.account.answers.answer(request.symbol), self.now_ns)
        self._arrivals.open_linked(order, market.last if price is None else market.instrument.ticks(price))

    def force(self, request: OrderRequest) -> WorkingOrder:
        """An order of the exchange's own is open: nobody has sent it, and nothing has been checked or met."""
        market = self.markets[request.symbol]
        order = self._submitted(request, market, self.account.answers.answer(request.symbol), self.now_ns)
        order.quote_at_arrival = order.quote_at_decision
        order.lots = order.left = market.instrument.lots(request.quantity)
        order.status, order.opened_ns, order.touched_ns = OrderStatus.OPEN, self.now_ns, self.now_ns
        self._working.count(order)
        self.account.accept_forced(order)
        self.touch(order.key)
        return order

    def end(self, order: WorkingOrder, status: OrderStatus, reason: str) -> None:
        self._endings.take_back(order, status, reason)

    def hold(self, words: str) -> None:
        """Nothing is matched anywhere because of `words`; empty: markets are as their feed says."""
        for market in self.markets.values():
            market.hold(words, self.now_ns)

    def reopened(self, symbol: str) -> None:
        """What came due meanwhile counts now, before anything is matched."""
        self._endings.reopened(symbol)
        late = [(order.request.options.starts_at_ns or 0, order) for order in self._working.of_symbol(symbol)]
        for starts_ns, order in sorted(late, key=lambda each: each[0]):
            if order.scheduled and starts_ns <= self.now_ns:
                self._arrivals.start(order)

    def _amend_now(self, request: AmendRequest) -> None:
        order = self.orders.get(request.client_order_id)
        refusal: Refusal | None
        if order is None or not order.is_at_exchange:
            refusal = Refusal(Code.UNKNOWN_OPEN_ORDER, "no open order has this id")
        elif order.scheduled:
            refusal = Refusal(Code.INVALID_AMEND, "the order has not started: cancel it, and place another")
        else:
            refusal = self.account.amendments.amend(self.markets[order.request.symbol], order, request)
        if refusal is not None:
            self.account.answers.tell_refused(request.client_order_id, "amend", refusal, request)

    # -- what a market asks of its engine ------------------------------------------------------------------------

    def fill(self, order: WorkingOrder, price: int, lots: int, maker: bool, model: str, cause: dict[str, Any]) -> None:
        came = self.account.payments.fill(order, price, lots, maker, model, cause)
        order.fills += 1
        self.touch(order.key)
        if (close := order.request.options.close) is not None:
            # Not now: whoever fills walks a book that this order may change.
            near = order.instrument.price(price) if goes_by_the_fill(close) else UNSET
            self._schedule(self.now_ns, OpenLinked(closing_order(order, close, came), near))
        if order.status is OrderStatus.FILLED:
            self._closed(order)

    def settle(self, order: WorkingOrder) -> None:
        self.account.payments.settle(order)
        self._closed(order)

    def finish(self, order: WorkingOrder, status: OrderStatus, reason: str) -> None:
        order.status = status
        self.account.finish(order, reason)
        self._closed(order)

    def take_out(self, number: int, reason: str) -> WorkingOrder | None:
        """End an order that nothing can be done with, under way or open; None where there is no such order."""
        order = self._working.by_key.get(str(number))
        if order is None:
            return None
        if order.is_at_exchange:
            self._endings.take_back(order, OrderStatus.ERROR, reason)
            return order
        self._call_off(Place(number))
        self._working.count(order)
        self.finish(order, OrderStatus.ERROR, reason)
        return order

    def trigger(self, order: WorkingOrder, last: int) -> None:
        date_ns = order.request.expires_at_ns
        if order.passed and date_ns is not None and date_ns <= self.now_ns:
            # Its date has not kept it from being sold, but what it leaves in the book does not outlive it.
            self._schedule(date_ns, Expire(order.number))
        order.fire(*self.markets[order.request.symbol].quotes_at(last))
        self.account.answers.tell_triggered(order, last)
        if order.role is Role.LIMIT:
            self.account.answers.tell_priced(order)
        self.touch(order.key)

    def stops_met(self, symbol: str, candle: ToldCandle) -> None:
        if self.margin.is_used:
            self._liquidation.look_at_candle(symbol, candle)

    def refilled(self, order: WorkingOrder) -> None:
        self.account.answers.tell_refilled(order)
        self.touch(order.key)

    def affordable(self, order: WorkingOrder, price: int, lots: int) -> int:
        return self.account.funds.affordable(order, price, lots)

    def _closed(self, order: WorkingOrder) -> None:
        filled = order.status is OrderStatus.FILLED
        self.paths.end(order, self.now_ns, QueueChange.FILLED if filled else QueueChange.ENDED)
        self._working.discount(order)
        self._working.forget(order)
        self._working.remember(order.client_order_id, self.account.answers.sequence)

    # -- what a session keeps ------------------------------------------------------------------------------------

    def register(self, parts: Parts) -> None:
        """Everything but the public books, which the feed rebuilds: to be restored when it has been played, without
        orders, up to where they were stored. The wallet is its owner's."""
        parts.single("exchange.numbers", ExchangeNumbers, self._counted, self._restore_numbers)
        parts.keyed(
            "exchange.market", MarketStanding, lambda symbol: self.markets[symbol].standing(), self._restore_markets,
            self.markets.keys, watched=True,
        )  # fmt: skip
        self.touch = self._working.register(parts, self.markets)
        self.agenda.touch = parts.table("exchange.command", Due, self.agenda.waiting, restore=self._restore_commands)
        self._endings.switch.register(parts)
        self.account.volume.register(parts)
        self.margin.register(parts)
        self._taken.register(parts)
        self._approaches.register(parts)

    def _counted(self) -> ExchangeNumbers:
        account = self.account
        return ExchangeNumbers(
            self.now_ns, self.order_count, self.agenda.added, account.answers.sequence,
            account.payments.fill_count, self._channels.answered_ns, self.latency.draws, self.queue.draws,
        )  # fmt: skip

    def _restore_numbers(self, stored: ExchangeNumbers) -> None:
        self.now_ns = max(self.now_ns, stored.now_ns)
        self.order_count, self.agenda.added = stored.orders, stored.commands
        self.account.answers.sequence, self.account.payments.fill_count = stored.events, stored.fills
        self._channels.answered_ns = stored.answered_ns
        self.latency.draws, self.queue.draws = stored.latency_draws, stored.queue_draws

    def _restore_markets(self, stored: Mapping[str, MarketStanding]) -> None:
        for symbol, standing in stored.items():
            self.markets[symbol].restore(standing)

    def _restore_commands(self, stored: dict[str, Due]) -> None:
        self.agenda.restore(stored)
        self.next_due_ns = self.agenda.next_due_ns
        # Nothing overtakes what is still under way; whatever has arrived is behind us.
        under_way = (due.due_ns for due in stored.values() if is_under_way(due.command) and self._is_on_channel(due))
        self._channels.arriving_ns = max(under_way, default=0)

    def _is_on_channel(self, due: Due) -> bool:
        """Not where time is the market's own: what waits there for an open holds nothing up."""
        order = order_of(due.command, self._working)
        return self._channels.are_of(None if order is None else self.markets[order.request.symbol])


def _raise(error: Exception) -> None:
    raise error
