"""A scripted venue: a test says what it does, and when its answers are delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.agent_records import AlertRecord
from triplegain.domain.clock import SECOND_NS
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
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import AmendRequest, Market, OrderRequest, OrderStatus, OrderTerms, Side
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import Intent, TradeProposal
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.domain.verdict import RiskApproved
from triplegain.execution.blotter import Blotter
from triplegain.execution.order_manager import OrderManager
from triplegain.execution.order_register import OrderRegister
from triplegain.execution.positions import Positions
from triplegain.execution.settings import DeskSettings

BTC = Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.1"), Decimal("0.5"), Decimal("0.5"))
XRP = Instrument("XRP/USDT", Decimal("0.1"), Decimal("0.1"), Decimal("1"), Decimal("0.5"))
CROSS = Instrument("XRP/BTC", Decimal("0.1"), Decimal("0.1"), Decimal("1"), Decimal("0.1"))
OPENING = {"USDT": Decimal(100_000), "BTC": Decimal(2)}
START_NS = 1_000 * SECOND_NS


def halve_all(desk: OrderManager, now_ns: int) -> tuple[str, ...]:
    """Half of every position, as the weekly breaker does; the positions begun."""
    positions = [position.position_id for position in desk.open_positions()]
    return tuple(each for each in positions if desk.reduce(each, Decimal("0.5"), CloseReason.BREAKER, now_ns))


def parts_of(desk: OrderManager) -> Parts:
    """What a session stores of a desk, its orders and its positions."""
    parts = Parts()
    desk._blotter.register(parts)
    desk.register(parts)
    return parts


class Purse:
    """What a wallet would hold: the opening balances and every fill."""

    def __init__(self) -> None:
        self._totals = dict(OPENING)

    def take(self, event: ExchangeEvent) -> None:
        if isinstance(event, OrderFilled):
            base, quote = event.symbol.split("/")
            sign = 1 if event.side is Side.BUY else -1
            for asset, amount in ((base, sign * event.quantity), (quote, -sign * event.notional - event.fee)):
                self._totals[asset] = self.total(asset) + amount

    def total(self, asset: str) -> Decimal:
        return self._totals.get(asset, Decimal(0))


def blotter_of(*instruments: Instrument) -> Blotter:
    return Blotter(OrderRegister(), Positions(instruments, {"USDT": Decimal(1)}.get))


def restart(before: OrderManager, parts: Parts, again: OrderManager) -> Parts:
    """`again` goes on from what `parts` have stored of `before`: nothing that has changed was forgotten."""
    list(parts.changes())  # the commit
    stored = parts_of(again)
    stored.restore(dict(parts.rows))
    assert _known(again) == _known(before)
    return stored


def _known(desk: OrderManager) -> tuple[Any, ...]:
    protections = [desk.protection(position.position_id) for position in desk.open_positions()]
    prices = [(desk.next_price(symbol), desk._quotes.of(symbol)) for symbol in ("BTC/USDT", "XRP/USDT", "XRP/BTC")]
    return (
        protections,
        prices,
        desk.delays,
        desk.next_due_ns(),
        desk.orders.open_orders(),
        desk.positions.records(),
        [(told.orders.open_orders(), sorted(told.positions.all(), key=str)) for told in (desk._blotter,)],
        [desk.free(asset) for asset in ("USDT", "BTC", "XRP")],
        desk._state(),
    )


class ScriptedVenue:
    """`sent` is what the desk asked for; `accept`, `fill`, ... make the venue act; `deliver` tells the desk.

    With `restarts` the desk, its orders and its positions go through JSON after every event.
    """

    def __init__(self, restarts: bool, settings: DeskSettings | None = None) -> None:
        self.settings = settings
        self.now_ns = START_NS
        self.sent: list[str] = []
        self.closed: list[PositionRecord] = []
        self.alerts: list[AlertRecord] = []
        self._restarts = restarts
        self._sequence = 0
        self._fills = 0
        self._outbox: list[ExchangeEvent] = []
        self._numbers: dict[str, int] = {}
        self._requests: dict[str, OrderRequest] = {}
        self._quantity: dict[str, Decimal] = {}
        self._filled: dict[str, Decimal] = {}
        self._purse = Purse()
        self.desk = self._new_desk()
        self._parts = parts_of(self.desk)

    def _new_desk(self) -> OrderManager:
        self.blotter = blotter_of(BTC, XRP, CROSS)
        return OrderManager(self, (BTC, XRP, CROSS), self.blotter, self._purse.total, self.settings)

    # The Broker protocol

    def place(self, request: OrderRequest) -> None:
        cid = request.client_order_id
        price = getattr(request.terms, "trigger", None) or getattr(request.terms, "price", None)
        at = f" @ {price}" if price is not None else ""
        self.sent.append(f"{cid}: {request.side} {request.quantity} {request.terms.kind}{at}")
        self._numbers[cid] = len(self._numbers) + 1
        self._requests[cid], self._quantity[cid], self._filled[cid] = request, request.quantity, Decimal(0)
        self._tell(OrderSubmitted, self._numbers[cid], f"O{self._numbers[cid]}", request, self.now_ns)

    def place_batch(self, requests: Sequence[OrderRequest]) -> None:
        for request in requests:
            self.place(request)

    def cancel(self, client_order_id: str) -> None:
        self.sent.append(f"cancel {client_order_id}")

    def amend(self, request: AmendRequest) -> None:
        self.sent.append(f"amend {request.client_order_id} to {request.quantity or request.price}")

    # What the venue does

    def _tell(self, kind: Callable[..., ExchangeEvent], *terms: Any) -> None:
        self._sequence += 1
        event = kind(self._sequence, self.now_ns, self.now_ns, *terms)
        self._purse.take(event)
        self.blotter.happened(event)
        self._outbox.append(event)

    def accept(self, cid: str) -> None:
        self._tell(OrderAccepted, self._numbers[cid], cid, self._requests[cid].symbol, "USDT", Decimal(0))

    def reject(self, cid: str, code: str = "EOrder:Insufficient funds") -> None:
        self._tell(OrderRejected, self._numbers[cid], cid, self._requests[cid].symbol, code, "said so")

    def fill(self, cid: str, quantity: str, price: str, fee: str = "0") -> None:
        amount, request = Decimal(quantity), self._requests[cid]
        self._filled[cid] += amount
        self._fills += 1
        quote = request.symbol.partition("/")[2]
        notional = amount * Decimal(price)
        done = self._filled[cid] == self._quantity[cid]
        status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        self._tell(
            OrderFilled,
            *(self._numbers[cid], cid, request.symbol, self._fills, f"T{self._fills}", request.side),
            *(Decimal(price), amount, notional, Decimal(fee), quote, False, self._filled[cid], status, {}),
        )

    def finish(self, cid: str, status: OrderStatus = OrderStatus.CANCELLED, reason: str = "User requested") -> None:
        symbol = self._requests[cid].symbol
        self._tell(OrderCancelled, self._numbers[cid], cid, symbol, status, reason, self._filled[cid])

    def trigger(self, cid: str, last: str) -> None:
        terms: Any = self._requests[cid].terms
        self._tell(OrderTriggered, self._numbers[cid], cid, self._requests[cid].symbol, terms.trigger, Decimal(last))

    def amended(self, cid: str, quantity: str, price: str) -> None:
        self._quantity[cid] = Decimal(quantity)
        self._tell(
            OrderAmended, self._numbers[cid], cid, self._requests[cid].symbol, Decimal(quantity), Decimal(price), False
        )

    def refuse(self, cid: str, command: str, amend: AmendRequest | None = None) -> None:
        self._tell(CommandRefused, cid, command, "EOrder:Unknown order", "no open order has this id", amend)

    # What the desk sees

    def deliver(self, after_s: float = 0) -> None:
        """Time passes, then everything the venue has said becomes visible, event by event."""
        self.now_ns += int(after_s * SECOND_NS)
        outbox, self._outbox = self._outbox, []
        for event in outbox:
            self.desk.on_event(event, self.now_ns)
            self._settle()
        if self._outbox:
            self.deliver()

    def quote(self, bid: str | None, ask: str | None = None, last: str | None = None, symbol: str = "BTC/USDT") -> None:
        self.desk.on_quote(symbol, _price(bid), _price(ask), _price(last), self.now_ns)
        self.deliver()

    def wait(self, seconds: float) -> None:
        """Time passes, and the timer rings when it is due."""
        until = self.now_ns + int(seconds * SECOND_NS)
        while (due := self.desk.next_due_ns()) is not None and due <= until:
            self.now_ns = max(self.now_ns, due)
            self.desk.on_timer(self.now_ns)
            self.deliver()
            assert self.desk.next_due_ns() != due, "the timer must move on"
        self.now_ns = until

    def _settle(self) -> None:
        self.closed += [record for record in self.desk.positions.drain_changed() if not record.is_open]
        self.alerts += self.desk.alerts
        self.desk.alerts.clear()
        if self._restarts:
            before, self.desk = self.desk, self._new_desk()
            self._parts = restart(before, self._parts, self.desk)

    def drain_sent(self) -> list[str]:
        sent, self.sent = self.sent, []
        return sent

    # Beginnings

    def enter(
        self,
        quantity: str = "10",
        stop: str | None = "90",
        target: str | None = "120",
        terms: OrderTerms | None = None,
        symbol: str = "BTC/USDT",
    ) -> str:
        """Send an entry; its position id."""
        wish = (symbol, Side.BUY, Intent.OPEN, terms or Market(), Decimal(quantity))
        proposal = TradeProposal(*wish, Decimal(100), _price(stop), _price(target))
        request = self.desk.open(RiskApproved(proposal), self.now_ns)
        self.deliver()
        return request.position_id or ""

    def protected(self, quantity: str = "10", price: str = "100") -> str:
        """An entry, filled whole, with its stop resting; its position id. Nothing is left in `sent`."""
        position_id = self.enter(quantity)
        self.accept("tg-entry-1")
        self.fill("tg-entry-1", quantity, price)
        self.deliver()
        self.accept("tg-stop-1")
        self.deliver()
        self.drain_sent()
        return position_id

    def reason(self) -> CloseReason | None:
        """Why the one closed position was closed."""
        (record,) = self.closed
        return record.close_reason


def _price(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@pytest.fixture(params=[False, True], ids=["one run", "restarted after every event"])
def venue(request: pytest.FixtureRequest) -> ScriptedVenue:
    return ScriptedVenue(request.param)
