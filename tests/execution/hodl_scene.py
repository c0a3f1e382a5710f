"""A scripted venue, a scripted account and a hodl bag between them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, cast

import msgspec

from triplegain.domain.agent_records import AlertRecord, HodlRecord
from triplegain.domain.clock import DAY_NS, SECOND_NS
from triplegain.domain.exchange_events import (
    ExchangeEvent,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
)
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import AmendRequest, OrderRequest, OrderStatus, Side
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.execution.blotter import Blotter
from triplegain.execution.hodl.allocation import SubBalance
from triplegain.execution.hodl.bag import HodlBag, HodlState
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.execution.order_register import OrderRegister
from triplegain.execution.positions import Positions

LOT = Decimal("0.001")
BTC = Instrument("BTC/USDT", Decimal("0.1"), LOT, Decimal("0.05"), Decimal("0.5"))
XRP = Instrument("XRP/USDT", Decimal("0.001"), LOT, Decimal(5), Decimal("0.5"))
CROSS = Instrument("XRP/BTC", Decimal("0.00001"), LOT, Decimal(5), Decimal("0.0001"))
START_NS = 20_000 * DAY_NS + 3600 * SECOND_NS
WAIT_NS = 30 * SECOND_NS


class Scene:
    """A venue that does what a test says, an account with 10 000 free USDT, and a bag that can be restarted."""

    def __init__(self, settings: HodlSettings | None = None, restarts: bool = False) -> None:
        self.settings = settings or HodlSettings()
        self.now_ns = START_NS
        self.free_usdt = Decimal(10_000)
        self.aside = Decimal(0)
        self.prices: dict[str, Decimal | None] = {"BTC/USDT": Decimal(100), "XRP/USDT": Decimal(2)}
        self.blocked = ""
        self.sent: list[str] = []
        self.placed: list[OrderRequest] = []
        self.records: list[HodlRecord] = []
        self.alerts: list[AlertRecord] = []
        self.blotter = Blotter(OrderRegister(), Positions((), lambda asset: None))
        self._restarts = restarts
        self._requests: dict[str, OrderRequest] = {}
        self._filled: dict[str, Decimal] = {}
        self._sequence = self._positions = 0
        self.bag = self._new_bag()

    def _new_bag(self) -> HodlBag:
        return HodlBag(
            self,
            cast(Any, self),
            (BTC, XRP, CROSS),
            self.blotter.known_orders,
            self.settings,
            ask=self.prices.get,
            usd_price=self._usd,
            blocked=lambda: self.blocked,
        )

    def _usd(self, asset: str) -> Decimal | None:
        return Decimal(1) if asset == "USDT" else self.prices.get(f"{asset}/USDT")

    # The account

    def free(self, asset: str) -> Decimal:
        return self.free_usdt if asset == "USDT" else Decimal(0)

    def set_aside(self, asset: str, amount: Decimal, now_ns: int) -> bool:
        assert (asset, now_ns) == ("USDT", self.now_ns)
        assert 0 < amount <= self.free_usdt
        self.free_usdt -= amount
        self.aside += amount
        return True

    # The broker

    def place(self, request: OrderRequest) -> None:
        self.placed.append(request)
        self.sent.append(f"{request.client_order_id}: {request.side} {request.quantity} {request.symbol}")

    def place_batch(self, requests: Sequence[OrderRequest]) -> None:
        for request in requests:
            self.place(request)

    def cancel(self, client_order_id: str) -> None:
        raise AssertionError("the bag cancels nothing")

    def amend(self, request: AmendRequest) -> None:
        raise AssertionError("the bag amends nothing")

    # What the venue does

    def _see(self, event: ExchangeEvent) -> None:
        self.blotter.happened(event)
        self.blotter.told(event)
        self.bag.on_event(event, self.now_ns)
        self.settle()

    def _stamp(self) -> tuple[int, int, int]:
        self._sequence += 1
        return self._sequence, self.now_ns, self.now_ns

    def submit(self, cid: str) -> None:
        request = next(r for r in self.placed if r.client_order_id == cid)
        self._requests[cid], self._filled[cid] = request, Decimal(0)
        self._see(OrderSubmitted(*self._stamp(), self._number(cid), f"O{cid}", request, self.now_ns))

    def accept(self, cid: str) -> None:
        self.submit(cid)
        symbol = self._requests[cid].symbol
        self._see(OrderAccepted(*self._stamp(), self._number(cid), cid, symbol, "USDT", Decimal(0)))

    def _number(self, cid: str) -> int:
        return int(cid.rpartition("-")[2])

    def fill(self, cid: str, quantity: str, price: str, fee: str = "0") -> None:
        request, amount = self._requests[cid], Decimal(quantity)
        self._filled[cid] += amount
        notional = amount * Decimal(price)
        self.aside -= notional + Decimal(fee)
        done = self._filled[cid] == request.quantity
        status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        self._see(
            OrderFilled(
                *(*self._stamp(), self._number(cid), cid, request.symbol, 1, "T1", Side.BUY, Decimal(price), amount),
                *(notional, Decimal(fee), "USDT", False, self._filled[cid], status, {}),
            )
        )

    def fill_part(self, cid: str, percent: int) -> None:
        """A fill of that much of what is left, at the price of now."""
        request = self._requests[cid]
        left = request.quantity - self._filled[cid]
        price = self.prices[request.symbol] or Decimal(100)
        quantity = max(LOT, (left * percent / 100).quantize(LOT))
        self.fill(cid, f"{quantity:f}", f"{price:f}", f"{quantity * price * Decimal('0.004'):f}")

    def finish(self, cid: str, reason: str = "nothing more in the book") -> None:
        symbol, filled = self._requests[cid].symbol, self._filled[cid]
        number = self._number(cid)
        self._see(OrderCancelled(*self._stamp(), number, cid, symbol, OrderStatus.CANCELLED, reason, filled))

    def reject(self, cid: str) -> None:
        self.submit(cid)
        symbol = self._requests[cid].symbol
        code, reason = "EService:Unavailable", "the market is down"
        self._see(OrderRejected(*self._stamp(), self._number(cid), cid, symbol, code, reason))

    # What the session does

    def settle(self) -> None:
        records, alerts = self.bag.journal.drain()
        self.records += records
        self.alerts += alerts
        if self._restarts:
            stored = msgspec.json.encode(self.bag.state)
            self.bag = self._new_bag()
            self.bag.restore(msgspec.json.decode(stored, type=HodlState))

    def close(self, profit: str, symbol: str = "BTC/USDT", usd: str | None = "same") -> None:
        self._positions += 1
        realised = Decimal(profit)
        worth = realised if usd == "same" else None if usd is None else Decimal(usd)
        record = PositionRecord(
            *(f"pos-{self._positions}", symbol, Side.BUY, self._positions, Decimal(0), Decimal(1), Decimal(100)),
            *(realised, worth, Decimal(0), self.now_ns - 1, self.now_ns),
            closed_at_ns=self.now_ns,
            close_reason=CloseReason.SIGNAL,
        )
        self.bag.on_position_closed(record, self.now_ns)
        self.settle()

    def wait(self, seconds: int = 30) -> None:
        """Time passes; every timer in between is kept."""
        until = self.now_ns + seconds * SECOND_NS
        while (due := self.bag.due_ns) is not None and due <= until:
            self.now_ns = max(due, self.now_ns)
            self.bag.on_timer(self.now_ns)
            self.settle()
        self.now_ns = until

    def sleep_until_midnight(self) -> None:
        """The next that is heard of time is the first moment of the next day (UTC)."""
        self.now_ns = (self.now_ns // DAY_NS + 1) * DAY_NS
        self.bag.on_timer(self.now_ns)
        self.settle()

    def drain_sent(self) -> list[str]:
        sent, self.sent = self.sent, []
        return sent

    def kinds(self, kind: str) -> list[HodlRecord]:
        return [record for record in self.records if record.kind == kind]

    def words(self) -> list[str]:
        words = [alert.message for alert in self.alerts]
        self.alerts.clear()
        return words

    @property
    def balances(self) -> dict[str, SubBalance]:
        return self.bag.state.allocation.balances

    @property
    def due(self) -> Decimal:
        """USD that profits have earned for the bag and that could not be set aside yet."""
        return sum((due.amount for due in self.bag.state.allocation.due), Decimal(0))

    def adds_up(self) -> bool:
        """The money aside is the dollars owned and everything that is pending."""
        pending = sum((balance.pending for balance in self.balances.values()), Decimal(0))
        return self.aside == self.balances["USDT"].quantity + pending
