"""What the exchange tells an account: events in the order of their numbers, each with the times at which it happened
and may be known."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderPriced,
    OrderRefilled,
    OrderRejected,
    OrderScheduled,
    OrderTriggered,
)
from triplegain.domain.money import from_atoms
from triplegain.domain.orders import AmendRequest, OrderRequest
from triplegain.domain.refusals import Refusal
from triplegain.exchange.channels import Channels
from triplegain.exchange.engine import Engine
from triplegain.exchange.explanation import seen_at_end
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.venue_market import VenueMarket
from triplegain.ledger.wallet import Wallet


class Answers:
    """Events are numbered here. `channels` says when we hear of them."""

    def __init__(
        self,
        engine: Engine,
        markets: Mapping[str, VenueMarket],
        orders: Mapping[str, WorkingOrder],
        wallet: Wallet,
        channels: Channels,
    ) -> None:
        self._engine = engine
        self._markets = markets
        self._orders = orders
        self._wallet = wallet
        self._channels = channels
        self._events: list[ExchangeEvent] = []
        self.sequence = 0
        #: The cancel or amendment that is carried out and not answered yet; by sequence what each answer answers.
        self.asked = 0
        self._answered: dict[int, int] = {}

    def stamp(self, visible_at_ns: int) -> tuple[int, int, int]:
        """(sequence, time, visible at) of the next event."""
        self.sequence += 1
        return self.sequence, self._engine.now_ns, visible_at_ns

    def tell(self, event: ExchangeEvent) -> None:
        self._events.append(event)

    def drain(self) -> list[ExchangeEvent]:
        events, self._events = self._events, []
        return events

    def answer(self, symbol: str) -> tuple[int, int, int]:
        """The stamp of an answer to us about an order of this pair."""
        now_ns = self._engine.now_ns
        visible_ns = self._channels.answer_ns(now_ns, self._markets.get(symbol))
        self.sequence += 1
        if self.asked:
            self._answered[self.sequence], self.asked = self.asked, 0
        return self.sequence, now_ns, visible_ns

    def about(self, order: WorkingOrder) -> tuple[int, int, int, int, str, str]:
        """The stamp of an answer, and which order it is about."""
        symbol = order.instrument.symbol
        return *self.answer(symbol), order.number, order.client_order_id, symbol

    def drain_answered(self) -> dict[int, int]:
        """By sequence of an answer the number of the cancel or amendment that got it, since the last call."""
        answered, self._answered = self._answered, {}
        return answered

    def tell_rejected(self, number: int, request: OrderRequest, refusal: Refusal) -> None:
        stamp, market = self.answer(request.symbol), self._markets.get(request.symbol)
        named = number, request.client_order_id, request.symbol
        seen = UNSET if market is None else seen_at_end(market, None)
        self.tell(OrderRejected(*stamp, *named, refusal.code, refusal.reason, seen))

    def tell_refused(
        self, client_order_id: str, command: str, refusal: Refusal, amend: AmendRequest | None = None
    ) -> None:
        order = self._orders.get(client_order_id)
        stamp = self.answer("" if order is None else order.request.symbol)
        self.tell(CommandRefused(*stamp, client_order_id, command, refusal.code, refusal.reason, amend))

    def tell_scheduled(self, order: WorkingOrder, starts_at_ns: int) -> None:
        self.tell(OrderScheduled(*self.about(order), starts_at_ns))

    def tell_accepted(self, order: WorkingOrder) -> None:
        held = from_atoms(self._wallet.reserved(order.number))
        self.tell(OrderAccepted(*self.about(order), order.funds_asset, held))
        order.place = self.sequence
        if not order.is_plain and order.request.only_reduces and order.lots < (order.asked or 0):
            self.tell_cut(order)

    def tell_triggered(self, order: WorkingOrder, last: int) -> None:
        instrument = order.instrument
        trigger, reached = instrument.price(order.fired), instrument.price(last)
        self.tell(OrderTriggered(*self.about(order), trigger, reached))

    def tell_priced(self, order: WorkingOrder) -> None:
        """At which price an order stands that its terms do not name, or not as the only one."""
        self.tell(OrderPriced(*self.about(order), order.instrument.price(order.price)))
        order.place = self.sequence

    def tell_refilled(self, order: WorkingOrder) -> None:
        self.tell(OrderRefilled(*self.about(order), order.instrument.quantity(order.in_book)))
        order.place = self.sequence

    def tell_cut(self, order: WorkingOrder) -> None:
        """An order that only reduces a position is no larger than what is left of it."""
        quantity, price = order.instrument.quantity(order.lots), order.instrument.price(order.price)
        self.tell(OrderAmended(*self.about(order), quantity, price, True))

    def tell_ended(self, order: WorkingOrder, reason: str) -> None:
        filled = order.instrument.quantity(order.filled)
        seen = seen_at_end(self._markets[order.request.symbol], order)
        self.tell(OrderCancelled(*self.about(order), order.status, reason, filled, seen))
