"""What follows from the venue's answers beyond the desk: results for risk and the hodl bag, alerts for the record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from triplegain.decision.record import RecordLog
from triplegain.domain.agent_records import AlertKind, AlertRecord, HodlStep
from triplegain.domain.clock import NEVER
from triplegain.domain.exchange_events import ExchangeEvent, MarginCalled
from triplegain.domain.market import FeedStatus
from triplegain.domain.records import OrderRecord
from triplegain.execution.hodl.bag import HodlBag
from triplegain.execution.order_manager import OrderManager
from triplegain.risk.engine import RiskEngine
from triplegain.session.risk_watch import RiskWatch


@dataclass(eq=False)
class PostTradeHandler:
    """`on_event` after the desk has taken a visible answer in, `settle` when there is no more of them."""

    _desk: OrderManager
    _risk: RiskEngine
    _watch: RiskWatch
    hodl: HodlBag | None
    _record: RecordLog

    @property
    def next_due_ns(self) -> int:
        due_ns = None if self.hodl is None else self.hodl.due_ns
        return NEVER if due_ns is None else due_ns

    def on_event(self, event: ExchangeEvent, now_ns: int) -> None:
        if isinstance(event, MarginCalled):
            sold = "positions are being sold, oldest first" if event.liquidates else "close something, or bring funds"
            words = f"the margin level is {event.level:.2%}: {event.equity:.2f} USD stand for {event.used:.2f}; {sold}"
            self._record.put(AlertRecord(0, now_ns, AlertKind.MARGIN_CALL, "", "", words))
        if self.hodl is not None:
            self.hodl.on_event(event, now_ns)

    def on_timer(self, now_ns: int) -> None:
        if self.hodl is not None and self.next_due_ns <= now_ns:
            self.hodl.on_timer(now_ns)
            self._put_down(self.hodl, now_ns)
            self._watch.put_down()

    def settle(self, now_ns: int) -> None:
        """Positions that we have come to know are over count; whoever has something to tell is heard."""
        for position in self._desk.positions.drain_changed():
            if not position.is_open:
                self._risk.on_closed(position.symbol, position.realised_usd, now_ns)
                if self.hodl is not None:
                    self.hodl.on_position_closed(position, now_ns)
        if self.hodl is not None:
            self._put_down(self.hodl, now_ns)
        while self._desk.alerts:
            self._record.put(self._desk.alerts.popleft())
        self._watch.put_down()

    def _put_down(self, hodl: HodlBag, now_ns: int) -> None:
        records, alerts = hodl.journal.drain()
        for record in records:
            if record.kind is HodlStep.ALLOCATED and record.usd is not None:
                # What is set aside is no loss: peak and openings go down with it.
                self._risk.on_transferred(record.usd, now_ns)
            self._record.put(record)
        for alert in alerts:
            self._record.put(alert)

    def flag_unknown_fills(self, status: FeedStatus, open_orders: Iterable[OrderRecord], now_ns: int) -> None:
        """The trades of a stretch cannot be had: whoever has orders there is told which ones they might have filled."""
        orders = [order for order in open_orders if order.request.symbol == status.symbol]
        names = ", ".join(order.request.client_order_id for order in orders)
        words = f"in doubt, nothing was filled: {names}" if names else "no order of yours was open"
        told = f"{status.reason}; {words}"
        self._record.put(AlertRecord(0, now_ns, AlertKind.ORDERS_IN_DOUBT, status.symbol, "", told))
