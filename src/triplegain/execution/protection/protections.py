"""The protections of all positions: what the venue answers, what the market says, what time it is, and what to do.

Nothing here waits for an agent, a model or a schedule: answers, prices and its own timers are all that moves it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import assert_never

from msgspec import Struct, field

from triplegain.domain.agent_records import AlertKind, AlertRecord
from triplegain.domain.exchange_events import ExchangeEvent, OrderRejected, OrderSubmitted
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import text
from triplegain.domain.orders import OrderRequest
from triplegain.domain.parts import Parts
from triplegain.domain.records import CloseReason
from triplegain.execution.blotter import KnownPositions
from triplegain.execution.broker import Broker
from triplegain.execution.protection.actions import OrderCounts, ProtectionActions
from triplegain.execution.protection.protection import (
    Closed,
    OrderRole,
    Protected,
    Protection,
    StopLevel,
    is_too_small,
)
from triplegain.execution.protection.trailing import ProtectionSettings
from triplegain.execution.protection.watch import (
    PriceWatch,
    due_times,
    late_alarm_ns,
    overdue_alarm_ns,
    time_exit_ns,
)

_ALERTS_KEPT = 200


class ProtectionDelays(Struct):
    """Time between a fill and the stop that covers it, both as the exchange dates them."""

    count: int = 0
    total_ns: int = 0
    longest_ns: int = 0

    def add(self, delay_ns: int) -> None:
        self.count += 1
        self.total_ns += delay_ns
        self.longest_ns = max(self.longest_ns, delay_ns)


class ProtectionTotals(Struct):
    """What is counted over all positions; `begun` numbers them."""

    begun: int = 0
    sent: OrderCounts = field(default_factory=OrderCounts)
    delays: ProtectionDelays = field(default_factory=ProtectionDelays)


class Protections:
    """Every position and entry under way, oldest first. One that is over leaves memory."""

    def __init__(
        self, broker: Broker, instruments: Iterable[Instrument], positions: KnownPositions, settings: ProtectionSettings
    ) -> None:
        self.alerts: deque[AlertRecord] = deque(maxlen=_ALERTS_KEPT)
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._positions = positions
        self._settings = settings
        self._totals = ProtectionTotals()
        self._protections: dict[str, Protection] = {}
        self._by_order: dict[str, str] = {}
        self._actions = ProtectionActions(
            broker, self._instruments, positions, self._totals.sent, self._by_order, self._alert
        )
        self._watch = PriceWatch(self._instruments, positions, settings)
        self._due_ns: int | None = None
        self._changed: Callable[[str], None] = lambda position_id: None
        self._atr_changed: Callable[[str], None] = lambda symbol: None

    @property
    def delays(self) -> ProtectionDelays:
        return self._totals.delays

    def all(self) -> tuple[Protection, ...]:
        return tuple(self._protections.values())

    def get(self, position_id: str) -> Protection | None:
        return self._protections.get(position_id)

    def role(self, client_order_id: str) -> tuple[Protection, OrderRole] | None:
        """The position an open order serves, and how; None for an order that serves none."""
        position_id = self._by_order.get(client_order_id)
        if position_id is None:
            return None
        protection = self._protections[position_id]
        return protection, dict(protection.open_orders())[client_order_id]

    def next_price(self, symbol: str) -> Decimal | None:
        """The lowest price at which there is something to do; None if no price matters."""
        return self._watch.next_price(symbol, self._protections.values())

    @property
    def next_price_changed(self) -> bool:
        return self._watch.is_stale

    def next_due_ns(self) -> int | None:
        return self._due_ns

    # -- what is asked of a position -----------------------------------------------------------------------------

    def enter(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None, by_hand: bool) -> None:
        """Follow an entry from before it is sent; `request` carries its position id. `by_hand`: a person's."""
        position_id = request.position_id or ""
        self._totals.begun += 1
        self._protections[position_id] = Protection(
            position_id,
            request.symbol,
            request.client_order_id,
            request.quantity,
            None if stop is None else StopLevel(stop),
            target,
            number=self._totals.begun,
            by_hand=by_hand,
        )
        self._by_order[request.client_order_id] = position_id
        self._changed(position_id)
        self._positions.begin(position_id, request.symbol, stop, target)

    def close(self, position_id: str, reason: CloseReason, now_ns: int) -> bool:
        """Start the way out. False if the position is not there or already on it."""
        protection = self._protections.get(position_id)
        if protection is None or not protection.leave(reason):
            return False
        self._go_on(protection, now_ns)
        return True

    def tighten(self, position_id: str, level: StopLevel, market: Decimal | None, now_ns: int) -> bool:
        """Raise the stop of a position that holds coins; at or above `market` close it. False if nothing is to do."""
        protection = self._protections.get(position_id)
        if protection is None or not protection.is_held or not self._raise(protection, level, market, now_ns):
            return False
        self._go_on(protection, now_ns)
        return True

    def tighten_to(self, position_id: str, fraction: Decimal, market: Decimal | None, now_ns: int) -> bool:
        """Raise the stop to `fraction` below the market, now or when there is a price. The entry buys no more."""
        protection = self._protections.get(position_id)
        if protection is None or protection.is_leaving:
            return False
        protection.buys_no_more = True
        protection.tighten = fraction if protection.tighten is None else min(fraction, protection.tighten)
        if market is not None:
            self._tighten_waiting(protection, market, now_ns)
        self._go_on(protection, now_ns)
        return True

    def reduce(self, position_id: str, fraction: Decimal, reason: CloseReason, now_ns: int) -> bool:
        """Sell a part. False if the position is not there, leaving, or the part is too small to be sold."""
        protection = self._protections.get(position_id)
        if protection is None or not protection.reduce(fraction, reason):
            return False
        self._go_on(protection, now_ns)
        return protection.is_leaving or protection.reduction is not None

    def set_atr(self, symbol: str, fraction: Decimal | None) -> None:
        """The average true range of a symbol as a fraction of its price, for trailing stops that go by it.

        One that makes no sense is not known.
        """
        if fraction is not None and fraction.is_finite() and fraction > 0:
            self._watch.atr[symbol] = fraction
        else:
            self._watch.atr.pop(symbol, None)
        self._atr_changed(symbol)
        self._refresh()

    # -- what happens --------------------------------------------------------------------------------------------

    def on_event(self, event: ExchangeEvent, is_final: bool, now_ns: int) -> None:
        """An answer to one of our orders; `is_final` if the order is over with it. Positions know of it already."""
        if isinstance(event, OrderSubmitted):
            return
        served = self.role(event.client_order_id)
        if served is None:
            return
        protection, role = served
        self._answered(protection, role, event, now_ns)
        if is_final:
            del self._by_order[event.client_order_id]
        self._measure(protection, event)
        self._go_on(protection, now_ns)

    def on_price(self, symbol: str, price: Decimal, last: Decimal | None, now_ns: int) -> None:
        """The price to sell at now. Starts the way out at a target, and takes stops up."""
        wakes_at = self.next_price(symbol)
        if wakes_at is None or price < wakes_at:
            return
        for protection in self.all():
            if protection.symbol == symbol and protection.is_held:
                self._priced(protection, price, last, now_ns)
                self._advance(protection, now_ns)
        self._refresh()

    def on_timer(self, now_ns: int) -> None:
        """Time exits, retries, and the alarms for what is still unprotected or not done."""
        for protection in self.all():
            due = time_exit_ns(protection, self._settings)
            if due is not None and now_ns >= due:
                protection.leave(CloseReason.TIME_EXIT)
            due = late_alarm_ns(protection, self._settings)
            if due is not None and now_ns >= due:
                protection.alarmed = True
                self._alert(protection, AlertKind.PROTECTION_LATE, "bought coins are still without a stop", now_ns)
            due = overdue_alarm_ns(protection, self._settings)
            if due is not None and now_ns >= due:
                protection.overdue = True
                self._alert(protection, AlertKind.OVERDUE, f"still not {protection.owes}; it goes on", now_ns)
            self._advance(protection, now_ns)
        self._refresh()

    def _priced(self, protection: Protection, price: Decimal, last: Decimal | None, now_ns: int) -> None:
        if protection.target is not None and price >= protection.target:
            protection.leave(CloseReason.TAKE_PROFIT)
            return
        if protection.tighten is not None:
            self._tighten_waiting(protection, price, now_ns)
        wanted = protection.wanted
        if wanted is not None and protection.waits_to_move and wanted.trigger >= price:
            # The venue has not taken the stop yet, and the market is there already.
            self._close_at_market(protection, wanted, now_ns)
            return
        level = self._watch.raised(protection, price, last)
        if level is not None:
            protection.raise_stop(level)

    def _tighten_waiting(self, protection: Protection, market: Decimal, now_ns: int) -> None:
        if protection.tighten is None or not protection.is_held:
            return
        level = self._watch.below(protection.symbol, market, protection.tighten)
        protection.tighten = None
        self._raise(protection, level, market, now_ns)

    def _raise(self, protection: Protection, level: StopLevel, market: Decimal | None, now_ns: int) -> bool:
        stop = protection.stop
        if stop is not None and level.trigger <= stop:
            return False
        if market is not None and level.trigger >= market:
            self._close_at_market(protection, level, now_ns)
            return True
        if stop is None:
            protection.unprotected_since_ns = now_ns
        return protection.raise_stop(level)

    def _close_at_market(self, protection: Protection, level: StopLevel, now_ns: int) -> None:
        protection.leave(level.reason)
        words = f"a stop at {text(level.trigger)} would not be below the market; the position is being closed"
        self._alert(protection, AlertKind.STOP_AT_MARKET, words, now_ns)

    def _answered(self, protection: Protection, role: OrderRole, event: ExchangeEvent, now_ns: int) -> None:
        retry_ns = self._settings.retry_ns
        match role:
            case OrderRole.ENTRY:
                return protection.entry_answered(event, now_ns, retry_ns)
            case OrderRole.STOP:
                notice = protection.stop_answered(event, now_ns, retry_ns)
            case OrderRole.PART:
                notice = protection.part_answered(event, now_ns, retry_ns)
            case OrderRole.EXIT:
                notice = protection.exit_answered(event, now_ns, retry_ns)
                self._write_off_if_too_small(protection, event)
            case _:
                assert_never(role)
        if notice is not None and (role is OrderRole.STOP or self._can_sell_more(protection)):
            self._alert(protection, *notice, now_ns)

    def _write_off_if_too_small(self, protection: Protection, event: ExchangeEvent) -> None:
        too_small = isinstance(event, OrderRejected) and is_too_small(event)
        if too_small and self._positions.is_open(protection.position_id):
            self._positions.write_off(protection.position_id, event.time_ns)

    def _can_sell_more(self, protection: Protection) -> bool:
        minimum = self._instruments[protection.symbol].quantity_min
        return self._positions.quantity(protection.position_id) >= minimum

    def _measure(self, protection: Protection, event: ExchangeEvent) -> None:
        stage, since = protection.stage, protection.unprotected_since_ns
        if not isinstance(stage, Protected):
            return
        bare = stage.covered < self._positions.quantity(protection.position_id)
        if bare and since is None:
            protection.unprotected_since_ns = event.time_ns
        elif not bare and since is not None:
            if protection.reduction is None:
                self._totals.delays.add(event.time_ns - since)
            protection.unprotected_since_ns, protection.alarmed = None, False

    def _alert(self, protection: Protection, kind: AlertKind, message: str, now_ns: int) -> None:
        self.alerts.append(AlertRecord(0, now_ns, kind, protection.symbol, protection.position_id, message))

    # -- what follows --------------------------------------------------------------------------------------------

    def _go_on(self, protection: Protection, now_ns: int) -> None:
        self._advance(protection, now_ns)
        self._refresh()

    def _advance(self, protection: Protection, now_ns: int) -> None:
        while self._actions.act(protection, now_ns):
            pass
        if isinstance(protection.stage, Closed):
            self._protections.pop(protection.position_id, None)
        if not protection.owes:
            protection.owing_since_ns, protection.overdue = None, False
        elif protection.owing_since_ns is None:
            protection.owing_since_ns = now_ns
        self._changed(protection.position_id)

    def _refresh(self) -> None:
        self._watch.refresh()
        protections = self._protections.values()
        self._due_ns = min((due for p in protections for due in due_times(p, self._settings)), default=None)

    def register(self, parts: Parts) -> None:
        """What stands in no row: the protections, the ATR that trailing stops go by, and what is counted."""
        self._changed = parts.keyed("execution.protection", Protection, self._protections.get, self._restore)
        self._atr_changed = parts.keyed("execution.atr", Decimal, self._watch.atr.get, self._restore_atr)
        parts.single("execution.protection_totals", ProtectionTotals, lambda: self._totals, self._restore_totals)

    def _restore(self, protections: dict[str, Protection]) -> None:
        for protection in sorted(protections.values(), key=lambda each: each.number):
            self._protections[protection.position_id] = protection
            self._by_order.update((name, protection.position_id) for name, _ in protection.open_orders())
        self._refresh()

    def _restore_atr(self, atr: dict[str, Decimal]) -> None:
        self._watch.atr.update(atr)
        self._refresh()

    def _restore_totals(self, totals: ProtectionTotals) -> None:
        self._totals = totals
        self._actions.sent = totals.sent
