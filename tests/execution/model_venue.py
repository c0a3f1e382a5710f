"""A small venue that keeps its own books, with commands and answers under way as long as a test likes.

It knows what a spot venue knows: a sell order holds its coins, a stop fires on a trade at or below it. Whatever the
desk asks for is checked against that: an order for coins that are not free, or a stop that goes down, is a bug.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.execution.conftest import BTC, START_NS, Purse, blotter_of, parts_of, restart

from triplegain.domain.agent_records import AlertRecord
from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
)
from triplegain.domain.money import text
from triplegain.domain.orders import AmendRequest, Market, OrderRequest, OrderStatus, Side, StopLoss
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.verdict import RiskApproved
from triplegain.execution.order_manager import OrderManager
from triplegain.execution.protection.protection import Protected
from triplegain.execution.settings import DeskSettings

ZERO = Decimal(0)


def _text(value: Decimal | None) -> str:
    return "-" if value is None else text(value)


@dataclass(slots=True)
class Order:
    """An order at the venue or on its way there."""

    number: int
    request: OrderRequest
    quantity: Decimal
    trigger: Decimal | None
    filled: Decimal = ZERO
    live: bool = False
    final: bool = False

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled


class ModelVenue:
    """`arrive` lets one command reach the venue, `answer` one answer reach the desk; FIFO both."""

    def __init__(self, settings: DeskSettings, restarts: bool) -> None:
        self.settings = settings
        self.restarts = restarts
        self.now_ns = START_NS
        self.price = Decimal(100)
        self.orders: dict[str, Order] = {}
        self.coins: dict[str, Decimal] = {}
        self.commands: deque[Callable[[int], None]] = deque()
        self.answers: deque[ExchangeEvent] = deque()
        self.log: list[str] = []
        self.alerts: list[AlertRecord] = []
        self._sequence = self._fills = 0
        self._purse = Purse()
        self.desk = self._new_desk()
        self._parts = parts_of(self.desk)

    def _new_desk(self) -> OrderManager:
        self.blotter = blotter_of(BTC)
        return OrderManager(self, (BTC,), self.blotter, self._purse.total, self.settings)

    # -- the Broker protocol -------------------------------------------------------------------------------------

    def place(self, request: OrderRequest) -> None:
        cid = request.client_order_id
        trigger = request.terms.price if isinstance(request.terms, StopLoss) else None
        self.log.append(f"{cid}: {request.side} {_text(request.quantity)} {request.terms.kind} {_text(trigger)}")
        order = self.orders[cid] = Order(len(self.orders) + 1, request, request.quantity, trigger)
        self._tell(OrderSubmitted, order.number, f"O{order.number}", request, self.now_ns)
        self.commands.append(lambda mood: self._arrive(order, mood))

    def place_batch(self, requests: Sequence[OrderRequest]) -> None:
        for request in requests:
            self.place(request)

    def cancel(self, client_order_id: str) -> None:
        self.log.append(f"cancel {client_order_id}")
        self.commands.append(lambda mood: self._cancel(client_order_id, mood))

    def amend(self, request: AmendRequest) -> None:
        self.log.append(f"amend {request.client_order_id} {_text(request.quantity)} {_text(request.price)}")
        self.commands.append(lambda mood: self._amend(request, mood))

    # -- what the venue does -------------------------------------------------------------------------------------

    def _tell(self, kind: Callable[..., ExchangeEvent], *terms: Any) -> None:
        self._sequence += 1
        event = kind(self._sequence, self.now_ns, self.now_ns, *terms)
        self._purse.take(event)
        self.blotter.happened(event)
        self.answers.append(event)

    def _free(self, position_id: str) -> Decimal:
        """Coins of a position no sell order holds."""
        selling = (o for o in self.orders.values() if o.live and o.request.side is Side.SELL)
        return self.coins.get(position_id, ZERO) - sum(o.left for o in selling if o.request.position_id == position_id)

    def _arrive(self, order: Order, mood: int) -> None:
        request = order.request
        if mood == 0:
            order.final = True
            terms = (order.number, request.client_order_id, request.symbol, "EService:Unavailable", "away")
            self._tell(OrderRejected, *terms)
            return
        if request.side is Side.SELL:
            free = self._free(request.position_id or "")
            assert order.quantity <= free, f"{request.client_order_id} sells {order.quantity}, only {free} are free"
        order.live = True
        self._tell(OrderAccepted, order.number, request.client_order_id, request.symbol, "USDT", ZERO)
        if request.side is Side.SELL and isinstance(request.terms, Market):
            self._sell(order, mood)
        elif order.trigger is not None and self.price <= order.trigger:
            self._fire(order, mood)

    def _cancel(self, cid: str, mood: int) -> None:
        order = self.orders.get(cid)
        if order is None or not order.live or mood == 0:
            self._tell(CommandRefused, cid, "cancel", "EOrder:Unknown order", "said so", None)
            return
        self._finish(order, "User requested")

    def _amend(self, request: AmendRequest, mood: int) -> None:
        order = self.orders[request.client_order_id]
        if not order.live or mood == 0:
            self._tell(CommandRefused, request.client_order_id, "amend", "EOrder:Rate limit", "said so", request)
            return
        if request.quantity is not None:
            more = request.quantity - order.quantity
            free = self._free(order.request.position_id or "")
            assert more <= free, f"{request.client_order_id} grows by {more}, only {free} are free"
            order.quantity = request.quantity
        if request.price is not None:
            assert order.trigger is not None and request.price > order.trigger, "a stop only goes up"
            order.trigger = request.price
        terms = (order.number, request.client_order_id, order.request.symbol, order.quantity, order.trigger, False)
        self._tell(OrderAmended, *terms)
        if order.trigger is not None and self.price <= order.trigger:
            self._fire(order, mood)

    def _fire(self, order: Order, mood: int) -> None:
        cid, symbol = order.request.client_order_id, order.request.symbol
        self._tell(OrderTriggered, order.number, cid, symbol, order.trigger, self.price)
        self._sell(order, mood)

    def _sell(self, order: Order, mood: int) -> None:
        """At market: all of it, or for a bad mood a part, and the rest is cancelled."""
        part = order.left if mood > 2 or order.left <= Decimal("0.1") else (order.left * 5 // 1) / 10
        if part:
            self._fill(order, part)
        if order.left:
            self._finish(order, "no more depth")

    def _finish(self, order: Order, reason: str) -> None:
        order.live, order.final = False, True
        status, request = OrderStatus.CANCELLED, order.request
        terms = (order.number, request.client_order_id, request.symbol, status, reason, order.filled)
        self._tell(OrderCancelled, *terms)

    def _fill(self, order: Order, quantity: Decimal) -> None:
        request, self._fills = order.request, self._fills + 1
        order.filled += quantity
        position_id = request.position_id or ""
        sign = 1 if request.side is Side.BUY else -1
        self.coins[position_id] = self.coins.get(position_id, ZERO) + sign * quantity
        assert self.coins[position_id] >= 0, "sold more than there was"
        status = OrderStatus.PARTIALLY_FILLED if order.left else OrderStatus.FILLED
        if not order.left:
            order.live, order.final = False, True
        cid, notional = request.client_order_id, quantity * self.price
        terms = (order.number, cid, request.symbol, self._fills, f"T{self._fills}", request.side, self.price, quantity)
        self._tell(OrderFilled, *terms, notional, notional / 1000, "USDT", False, order.filled, status, {})

    # -- what a test does ----------------------------------------------------------------------------------------

    def enter(self, lots: int) -> None:
        wish = ("BTC/USDT", Side.BUY, Intent.OPEN, Market(), Decimal(lots) / 10, self.price)
        stop, target = self.price - 10, self.price + 30
        self.desk.open(RiskApproved(TradeProposal(*wish, stop, target)), self.now_ns)

    def buy(self, lots: int) -> None:
        """The oldest live entry fills by so much."""
        for order in self.orders.values():
            if order.live and order.request.side is Side.BUY:
                self._fill(order, min(order.left, Decimal(lots) / 10))
                return

    def arrive(self, mood: int) -> None:
        if self.commands:
            self.commands.popleft()(mood)

    def answer(self) -> None:
        if self.answers:
            self.desk.on_event(self.answers.popleft(), self.now_ns)

    def lose_stop(self) -> None:
        """Somebody takes a stop away."""
        for order in self.orders.values():
            if order.live and order.trigger is not None:
                self._finish(order, "maintenance")
                return

    def trade(self, price: Decimal, mood: int) -> None:
        """The market trades at `price`; the desk is told where it has asked to be, as a session does."""
        self.price = price
        for order in list(self.orders.values()):
            if order.live and order.trigger is not None and price <= order.trigger:
                self._fire(order, mood)
        wakes_at = self.desk.next_price("BTC/USDT")
        if wakes_at is not None and price >= wakes_at:
            self.tell()

    def tell(self) -> None:
        self.desk.on_quote("BTC/USDT", self.price, self.price + Decimal("0.1"), self.price, self.now_ns)

    def pass_time(self, milliseconds: int) -> None:
        until = self.now_ns + milliseconds * MILLISECOND_NS
        while (due := self.desk.next_due_ns()) is not None and due <= until:
            self.now_ns = max(self.now_ns, due)
            self.desk.on_timer(self.now_ns)
            assert self.desk.next_due_ns() != due, "the timer must move on"
        self.now_ns = until

    def after_each(self) -> None:
        self.alerts += self.desk.alerts
        self.desk.alerts.clear()
        self.desk.positions.drain_changed()
        if self.restarts:
            before, self.desk = self.desk, self._new_desk()
            self._parts = restart(before, self._parts, self.desk)
        if not self.commands and not self.answers:
            self.check_at_rest()

    def check_at_rest(self) -> None:
        """Nothing is under way: coins are covered, or the desk has a time at which it goes on."""
        for position in self.desk.open_positions():
            protection = self.desk.protection(position.position_id)
            assert protection is not None
            coins = self.coins.get(position.position_id, ZERO)
            assert position.quantity == coins
            if position.leaving:
                assert self.desk.next_due_ns() is not None
            elif coins >= BTC.quantity_min:
                stage = protection.stage
                assert isinstance(stage, Protected) and stage.asked is None
                stop = self.orders[stage.stop_id]
                assert stop.live and stop.left == stage.covered == coins and stop.trigger == stage.level.trigger
            if protection.owes:
                assert self.desk.next_due_ns() is not None or protection.overdue or protection.tighten is not None

    def finish(self) -> None:
        """From now on the venue does what it is asked, at once, and time goes by."""
        for _ in range(150):
            while self.commands or self.answers:
                self.arrive(9)
                self.answer()
                self.after_each()
            self.tell()
            self.pass_time(2500)
            self.after_each()
            for order in self.orders.values():
                assert not (order.live and order.request.side is Side.BUY and self._is_leaving(order))
        assert self.now_ns > START_NS + 300 * SECOND_NS

    def _is_leaving(self, order: Order) -> bool:
        protection = self.desk.protection(order.request.position_id or "")
        return protection is None or (protection.is_leaving and not self.commands and not self.answers)
