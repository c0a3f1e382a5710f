"""The protections of all positions: what the venue answers, what the market says, what time it is, and what to do.

Feeds `protection.py` and sends what it says is next. Orders of its own are named `stop-N` and `exit-N`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any, assert_never

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.exchange_events import ExchangeEvent, OrderAmended, OrderRejected, OrderSubmitted
from triplegain.domain.instrument import Instrument
from triplegain.domain.orders import AmendRequest, Market, OrderRequest, Side, StopLoss
from triplegain.domain.records import CloseReason
from triplegain.execution.alert import Alert, AlertKind
from triplegain.execution.broker import Broker
from triplegain.execution.positions import Positions
from triplegain.execution.protection import (
    CancelEntry,
    CancelStop,
    Closed,
    Finish,
    GoUnguarded,
    GrowStop,
    Leaving,
    Leg,
    PlaceStop,
    Protected,
    Protecting,
    Protection,
    Selling,
    SellRest,
    Step,
    Unguarded,
    next_step,
)
from triplegain.execution.stored_protection import protection_from_json, protection_to_json
from triplegain.execution.venue_answers import entry_answered, exit_answered, stop_answered

_ALERTS_KEPT = 200


@dataclass(frozen=True, slots=True)
class ProtectionSettings:
    """`retry_ns` is the pause before a rest is sold again or a refused cancel sent again."""

    max_holding_ns: int = 48 * 3600 * SECOND_NS
    retry_ns: int = SECOND_NS
    late_ns: int = 5 * SECOND_NS


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


class Role(Enum):
    """What an order is to its position."""

    ENTRY = "entry"
    STOP = "stop"
    EXIT = "exit"


class Protections:
    """Every position and entry under way, oldest first. One that is over leaves memory."""

    def __init__(
        self, broker: Broker, instruments: Iterable[Instrument], positions: Positions, settings: ProtectionSettings
    ) -> None:
        self.delays = ProtectionDelays()
        self.alerts: deque[Alert] = deque(maxlen=_ALERTS_KEPT)
        self._broker = broker
        self._minimum = {instrument.symbol: instrument.quantity_min for instrument in instruments}
        self._positions = positions
        self._settings = settings
        self._protections: dict[str, Protection] = {}
        self._roles: dict[str, tuple[str, Role]] = {}
        self._counters = {"stop": 0, "exit": 0}
        self._lowest_target: dict[str, Decimal] = {}
        self._due_ns: int | None = None

    def all(self) -> tuple[Protection, ...]:
        return tuple(self._protections.values())

    def get(self, position_id: str) -> Protection | None:
        return self._protections.get(position_id)

    def role(self, client_order_id: str) -> tuple[Protection, Role] | None:
        """The position an open order serves, and how; None for an order that serves none."""
        found = self._roles.get(client_order_id)
        return None if found is None else (self._protections[found[0]], found[1])

    def lowest_target(self, symbol: str) -> Decimal | None:
        return self._lowest_target.get(symbol)

    def next_due_ns(self) -> int | None:
        return self._due_ns

    def enter(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None) -> None:
        """Follow an entry from before it is sent; `request` carries its position id."""
        position_id = request.position_id or ""
        self._protections[position_id] = Protection(
            position_id, request.symbol, request.client_order_id, request.quantity, stop, target
        )
        self._roles[request.client_order_id] = (position_id, Role.ENTRY)
        self._positions.plan(position_id, stop, target)

    def close(self, position_id: str, reason: CloseReason, now_ns: int) -> bool:
        """Start the way out. False if the position is not there or already on it."""
        protection = self._protections.get(position_id)
        if protection is None or not protection.leave(reason):
            return False
        self._advance(protection, now_ns)
        self._refresh()
        return True

    def on_event(self, event: ExchangeEvent, is_final: bool, now_ns: int) -> None:
        """An answer to one of our orders; `is_final` if the order is over with it. Positions know of it already."""
        if isinstance(event, OrderSubmitted):
            return
        role = self._roles.get(event.client_order_id)
        if role is None:
            return
        position_id, kind = role
        protection = self._protections[position_id]
        self._answered(protection, kind, event, now_ns)
        if is_final:
            del self._roles[event.client_order_id]
        self._measure(protection, event)
        self._advance(protection, now_ns)
        self._refresh()

    def on_price(self, symbol: str, price: Decimal, now_ns: int) -> None:
        """The price a target is measured by. Starts the way out of every position whose target it reaches."""
        target = self._lowest_target.get(symbol)
        if target is None or price < target:
            return
        for protection in self.all():
            reached = protection.symbol == symbol and protection.target is not None and price >= protection.target
            if reached and protection.opened_at_ns is not None:
                self.close(protection.position_id, CloseReason.TAKE_PROFIT, now_ns)

    def on_timer(self, now_ns: int) -> None:
        """Time exits, retries, and the alarm for what is still unprotected."""
        for protection in tuple(self._protections.values()):
            due = self._time_exit_ns(protection)
            if due is not None and now_ns >= due:
                protection.leave(CloseReason.TIME_EXIT)
            due = self._alarm_ns(protection)
            if due is not None and now_ns >= due:
                protection.alarmed = True
                self._alert(protection, AlertKind.PROTECTION_LATE, "bought coins are still without a stop", now_ns)
            self._advance(protection, now_ns)
        self._refresh()

    def _next(self, kind: str) -> str:
        self._counters[kind] += 1
        return f"{kind}-{self._counters[kind]}"

    def _answered(self, protection: Protection, role: Role, event: ExchangeEvent, now_ns: int) -> None:
        retry_ns = self._settings.retry_ns
        match role:
            case Role.ENTRY:
                if isinstance(event, OrderAmended):
                    protection.ordered = event.quantity
                notice = entry_answered(protection, event, now_ns + retry_ns)
            case Role.STOP:
                notice = stop_answered(protection, event, now_ns + retry_ns)
            case Role.EXIT:
                notice = exit_answered(protection, event, now_ns, retry_ns)
                self._write_off_if_too_small(protection, event)
            case _:
                assert_never(role)
        if notice is not None and (role is not Role.EXIT or self._can_sell_more(protection)):
            self._alert(protection, *notice, now_ns)

    def _write_off_if_too_small(self, protection: Protection, event: ExchangeEvent) -> None:
        # The venue has a minimum cost as well, which depends on the price: it alone can tell.
        too_small = isinstance(event, OrderRejected) and "minimum not met" in event.code
        if too_small and self._positions.is_open(protection.position_id):
            self._positions.write_off(protection.position_id, event.time_ns)

    def _can_sell_more(self, protection: Protection) -> bool:
        return self._positions.quantity(protection.position_id) >= self._minimum[protection.symbol]

    def _measure(self, protection: Protection, event: ExchangeEvent) -> None:
        stage, since = protection.stage, protection.unprotected_since_ns
        if since is None or not isinstance(stage, Protected):
            return
        if stage.covered < self._positions.quantity(protection.position_id):
            return
        self.delays.add(event.time_ns - since)
        protection.unprotected_since_ns, protection.alarmed = None, False

    def _alert(self, protection: Protection, kind: AlertKind, message: str, now_ns: int) -> None:
        self.alerts.append(Alert(now_ns, kind, protection.position_id, protection.symbol, message))

    def _advance(self, protection: Protection, now_ns: int) -> None:
        minimum = self._minimum[protection.symbol]
        while True:
            quantity = self._positions.quantity(protection.position_id)
            step = next_step(protection, quantity, minimum, now_ns)
            if step is None:
                return
            self._do(protection, step)

    def _do(self, protection: Protection, step: Step) -> None:
        match step:
            case PlaceStop(quantity, trigger):
                stop_id = self._next("stop")
                protection.stage = Protecting(stop_id, quantity)
                self._sell(protection, stop_id, quantity, StopLoss(trigger), CloseReason.STOP_LOSS, Role.STOP)
            case GrowStop(quantity):
                if isinstance(protection.stage, Protected):
                    protection.stage = replace(protection.stage, growing_to=quantity)
                    self._broker.amend(AmendRequest(protection.stage.stop_id, quantity=quantity))
            case GoUnguarded():
                protection.stage = Unguarded()
            case CancelEntry():
                protection.entry = Leg.CANCELLING
                self._broker.cancel(protection.entry_id)
            case CancelStop(stop_id):
                if isinstance(protection.stage, Leaving):
                    protection.stage = replace(protection.stage, stop=Leg.CANCELLING)
                self._broker.cancel(stop_id)
            case SellRest(quantity):
                exit_id, stage = self._next("exit"), protection.stage
                if isinstance(stage, Leaving | Selling):
                    failures = stage.failures if isinstance(stage, Selling) else 0
                    protection.stage = Selling(stage.reason, exit_id, 0, failures)
                    self._sell(protection, exit_id, quantity, Market(), stage.reason, Role.EXIT)
            case Finish():
                protection.stage = Closed()
                del self._protections[protection.position_id]
            case _:
                assert_never(step)

    def _sell(
        self,
        protection: Protection,
        client_order_id: str,
        quantity: Decimal,
        terms: Market | StopLoss,
        reason: CloseReason,
        role: Role,
    ) -> None:
        self._roles[client_order_id] = (protection.position_id, role)
        self._broker.place(
            OrderRequest(
                client_order_id,
                protection.symbol,
                Side.SELL,
                quantity,
                terms,
                position_id=protection.position_id,
                purpose=reason.value,
            )
        )

    def _time_exit_ns(self, protection: Protection) -> int | None:
        if protection.is_leaving or protection.opened_at_ns is None:
            return None
        return protection.opened_at_ns + self._settings.max_holding_ns

    def _alarm_ns(self, protection: Protection) -> int | None:
        if protection.is_leaving or protection.alarmed or protection.unprotected_since_ns is None:
            return None
        return protection.unprotected_since_ns + self._settings.late_ns

    def _retry_due_ns(self, protection: Protection) -> int | None:
        match protection.stage:
            case Selling(exit_id=None, retry_at_ns=retry_at_ns):
                return retry_at_ns
            case Leaving(stop=stop) if Leg.LIVE in (stop, protection.entry):
                return protection.cancel_at_ns
            case _:
                return None

    def _refresh(self) -> None:
        lowest: dict[str, Decimal] = {}
        dues: list[int] = []
        for p in self._protections.values():
            for due in (self._time_exit_ns(p), self._alarm_ns(p), self._retry_due_ns(p)):
                if due is not None:
                    dues.append(due)
            if p.target is not None and p.opened_at_ns is not None and not p.is_leaving:
                lowest[p.symbol] = min(p.target, lowest.get(p.symbol, p.target))
        self._lowest_target = lowest
        self._due_ns = min(dues, default=None)

    def state(self) -> dict[str, Any]:
        return {
            "protections": [protection_to_json(p) for p in self._protections.values()],
            "roles": {name: [position_id, role.value] for name, (position_id, role) in self._roles.items()},
            "counters": dict(self._counters),
            "delays": [self.delays.count, str(self.delays.total_ns), str(self.delays.longest_ns)],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        protections = map(protection_from_json, state["protections"])
        self._protections = {protection.position_id: protection for protection in protections}
        self._roles = {name: (position_id, Role(role)) for name, (position_id, role) in state["roles"].items()}
        self._counters = dict(state["counters"])
        count, total_ns, longest_ns = state["delays"]
        self.delays = ProtectionDelays(count, int(total_ns), int(longest_ns))
        self._refresh()
