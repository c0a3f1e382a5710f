"""The protections of all positions: what the venue answers, what the market says, what time it is, and what to do.

Nothing here waits for an agent, a model or a schedule: answers, prices and its own timers are all that moves it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, assert_never

from triplegain.domain.agent_records import AlertKind, AlertRecord
from triplegain.domain.exchange_events import ExchangeEvent, OrderAmended, OrderRejected, OrderSubmitted
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import text
from triplegain.domain.orders import OrderRequest
from triplegain.domain.records import CloseReason
from triplegain.execution.broker import Broker
from triplegain.execution.positions import Positions
from triplegain.execution.protecting.due_times import due_times, late_alarm_ns, overdue_alarm_ns, time_exit_ns
from triplegain.execution.protecting.next_step import CloseInstead, EndReduction, Step, next_step
from triplegain.execution.protecting.orders import ProtectiveOrders, Role
from triplegain.execution.protecting.price_watch import PriceWatch
from triplegain.execution.protecting.protection import Protection
from triplegain.execution.protecting.settings import ProtectionSettings
from triplegain.execution.protecting.stage import Closed, Protected, StopLevel
from triplegain.execution.protecting.stored import protection_from_json, protection_to_json
from triplegain.execution.protecting.venue_answers import (
    entry_answered,
    exit_answered,
    is_too_small,
    part_answered,
    stop_answered,
)

_ALERTS_KEPT = 200


@dataclass(slots=True)
class ProtectionDelays:
    """Time between a fill and the stop that covers it, both as the exchange dates them."""

    count: int = 0
    total_ns: int = 0
    longest_ns: int = 0

    def add(self, delay_ns: int) -> None:
        self.count += 1
        self.total_ns += delay_ns
        self.longest_ns = max(self.longest_ns, delay_ns)


class Protections:
    """Every position and entry under way, oldest first. One that is over leaves memory."""

    def __init__(
        self, broker: Broker, instruments: Iterable[Instrument], positions: Positions, settings: ProtectionSettings
    ) -> None:
        self.delays = ProtectionDelays()
        self.alerts: deque[AlertRecord] = deque(maxlen=_ALERTS_KEPT)
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._positions = positions
        self._settings = settings
        self._orders = ProtectiveOrders(broker, positions)
        self._protections: dict[str, Protection] = {}
        self._watch = PriceWatch(self._instruments, positions, settings)
        self._due_ns: int | None = None

    def all(self) -> tuple[Protection, ...]:
        return tuple(self._protections.values())

    def get(self, position_id: str) -> Protection | None:
        return self._protections.get(position_id)

    def role(self, client_order_id: str) -> tuple[Protection, Role] | None:
        """The position an open order serves, and how; None for an order that serves none."""
        found = self._orders.role(client_order_id)
        return None if found is None else (self._protections[found[0]], found[1])

    def next_price(self, symbol: str) -> Decimal | None:
        """The lowest price at which there is something to do; None if no price matters."""
        return self._watch.next_price(symbol, self._protections.values())

    @property
    def next_price_changed(self) -> bool:
        return self._watch.is_stale

    def next_due_ns(self) -> int | None:
        return self._due_ns

    # -- what is asked of a position -----------------------------------------------------------------------------

    def enter(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None) -> None:
        """Follow an entry from before it is sent; `request` carries its position id."""
        position_id = request.position_id or ""
        wanted = None if stop is None else StopLevel(stop)
        self._protections[position_id] = Protection(
            position_id, request.symbol, request.client_order_id, request.quantity, wanted, target
        )
        self._orders.follow(request.client_order_id, position_id, Role.ENTRY)
        self._positions.plan(position_id, stop, target)

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
        """The average true range of a symbol as a fraction of its price, for trailing stops that go by it."""
        self._watch.set_atr(symbol, fraction)
        self._refresh()

    # -- what happens --------------------------------------------------------------------------------------------

    def on_event(self, event: ExchangeEvent, is_final: bool, now_ns: int) -> None:
        """An answer to one of our orders; `is_final` if the order is over with it. Positions know of it already."""
        if isinstance(event, OrderSubmitted):
            return
        role = self._orders.role(event.client_order_id)
        if role is None:
            return
        position_id, kind = role
        protection = self._protections[position_id]
        self._answered(protection, kind, event, now_ns)
        if is_final:
            self._orders.forget(event.client_order_id)
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

    def _answered(self, protection: Protection, role: Role, event: ExchangeEvent, now_ns: int) -> None:
        retry_ns = self._settings.retry_ns
        match role:
            case Role.ENTRY:
                if isinstance(event, OrderAmended):
                    protection.ordered = event.quantity
                notice = entry_answered(protection, event, now_ns + retry_ns)
            case Role.STOP:
                notice = stop_answered(protection, event, retry_ns, now_ns)
            case Role.EXIT if getattr(event, "client_order_id", None) == protection.part_exit_id:
                notice = part_answered(protection, event, retry_ns, now_ns)
            case Role.EXIT:
                notice = exit_answered(protection, event, now_ns, retry_ns)
                self._write_off_if_too_small(protection, event)
            case _:
                assert_never(role)
        if notice is not None and (role is not Role.EXIT or self._can_sell_more(protection)):
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
                self.delays.add(event.time_ns - since)
            protection.unprotected_since_ns, protection.alarmed = None, False

    def _alert(self, protection: Protection, kind: AlertKind, message: str, now_ns: int) -> None:
        self.alerts.append(AlertRecord(0, now_ns, kind, protection.symbol, protection.position_id, message))

    # -- what follows --------------------------------------------------------------------------------------------

    def _go_on(self, protection: Protection, now_ns: int) -> None:
        self._advance(protection, now_ns)
        self._refresh()

    def _advance(self, protection: Protection, now_ns: int) -> None:
        instrument = self._instruments[protection.symbol]
        while True:
            quantity = self._positions.quantity(protection.position_id)
            step = next_step(protection, quantity, instrument, now_ns)
            if step is None:
                break
            self._say(protection, step, instrument, now_ns)
            self._orders.take(protection, step)
        if isinstance(protection.stage, Closed):
            self._protections.pop(protection.position_id, None)
        if not protection.owes:
            protection.owing_since_ns, protection.overdue = None, False
        elif protection.owing_since_ns is None:
            protection.owing_since_ns = now_ns

    def _say(self, protection: Protection, step: Step, instrument: Instrument, now_ns: int) -> None:
        match step:
            case CloseInstead():
                words = "what was to stay is below the exchange's minimum; the position is being closed whole"
                self._alert(protection, AlertKind.CLOSED_WHOLE, words, now_ns)
            case EndReduction(unsold) if unsold is not None:
                words = f"{text(unsold)} {instrument.base} to be sold is below the exchange's minimum; it is kept"
                self._alert(protection, AlertKind.NOT_REDUCED, words, now_ns)
            case _:
                pass

    def _refresh(self) -> None:
        self._watch.refresh()
        protections = self._protections.values()
        self._due_ns = min((due for p in protections for due in due_times(p, self._settings)), default=None)

    def state(self) -> dict[str, Any]:
        return {
            "protections": [protection_to_json(p) for p in self._protections.values()],
            "orders": self._orders.state(),
            "watch": self._watch.state(),
            "delays": [self.delays.count, str(self.delays.total_ns), str(self.delays.longest_ns)],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        protections = map(protection_from_json, state["protections"])
        self._protections = {protection.position_id: protection for protection in protections}
        self._orders.restore(state["orders"])
        self._watch.restore(state["watch"])
        count, total_ns, longest_ns = state["delays"]
        self.delays = ProtectionDelays(count, int(total_ns), int(longest_ns))
        self._refresh()
