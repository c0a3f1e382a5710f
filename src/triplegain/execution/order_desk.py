"""The order desk: opens positions, protects them and takes them off again, above any `Broker`.

It is the same in paper and live, has no clock (`now_ns` is market time) and does no I/O. Feed it every exchange
event when it becomes visible, every quote, and a timer at `next_due_ns`; it keeps the order register and the
positions up to date and sends what the protections ask for. Entries are named `entry-N`, positions `pos-N`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.exchange_events import ExchangeEvent, OrderFilled, OrderSubmitted
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import text
from triplegain.domain.orders import AmendRequest, Limit, OrderRequest, Side, TimeInForce
from triplegain.domain.proposal import Intent
from triplegain.domain.records import CloseReason
from triplegain.domain.verdict import RiskApproved
from triplegain.execution.alert import Alert
from triplegain.execution.broker import Broker
from triplegain.execution.free_coins import FreeCoins
from triplegain.execution.order_register import OrderRegister
from triplegain.execution.positions import Positions
from triplegain.execution.protection import Leg, Protected, Protection
from triplegain.execution.protections import ProtectionDelays, Protections, ProtectionSettings, Role

_OWN_ID = re.compile(r"(entry|stop|exit)-\d+")


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """`entry_expiry_ns` ends a resting limit entry (0: never); it never touches protection."""

    entry_expiry_ns: int = 24 * 3600 * SECOND_NS
    protection: ProtectionSettings = field(default_factory=ProtectionSettings)


@dataclass(frozen=True, slots=True)
class Refused:
    """The desk did not send this. `reason` says why and what to do."""

    reason: str


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """What the desk has on for a symbol: `quantity` held, `ordered` by the entry, `entry_over` if no more will come.

    `by_hand`: a person opened it; no agent's signal closes it.
    """

    position_id: str
    symbol: str
    quantity: Decimal
    ordered: Decimal
    entry_over: bool
    leaving: bool
    by_hand: bool = False

    @property
    def at_risk(self) -> Decimal:
        """The most coins this position may come to hold."""
        return self.quantity if self.entry_over else max(self.quantity, self.ordered)


class OrderDesk:
    """One session's desk. `balances` are the session's opening balances."""

    def __init__(
        self,
        broker: Broker,
        instruments: Iterable[Instrument],
        orders: OrderRegister,
        positions: Positions,
        balances: Mapping[str, Decimal],
        settings: DeskSettings | None = None,
    ) -> None:
        self.orders = orders
        self.positions = positions
        self._settings = settings or DeskSettings()
        self._broker = broker
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._free = FreeCoins(self._instruments.values(), orders, positions, balances, self._ask)
        self._protections = Protections(broker, self._instruments.values(), positions, self._settings.protection)
        self._counters = {"pos": 0, "entry": 0}
        self._quotes: dict[str, tuple[Decimal | None, Decimal | None, Decimal | None]] = {}

    def open(self, approved: RiskApproved, now_ns: int) -> OrderRequest:
        """Send the entry of an approved proposal; its stop and target are kept with it. Returns what was sent.

        Raises InvalidValueError for what the gate never lets through: not a long opening, a price off the tick.
        """
        proposal = approved.proposal
        if proposal.intent is not Intent.OPEN or proposal.side is not Side.BUY:
            raise InvalidValueError(f"the desk opens long positions only, not {proposal.intent} {proposal.side.label}")
        request = OrderRequest(
            client_order_id=self._next("entry"),
            symbol=proposal.symbol,
            side=Side.BUY,
            quantity=approved.quantity,
            terms=proposal.terms,
            leverage=proposal.leverage,
            purpose="entry",
        )
        if isinstance(proposal.terms, Limit) and self._settings.entry_expiry_ns:
            expires = now_ns + self._settings.entry_expiry_ns
            request = replace(request, time_in_force=TimeInForce.GTD, expires_at_ns=expires)
        return self._enter(request, proposal.stop, proposal.target)

    def place(
        self, request: OrderRequest, stop: Decimal | None = None, target: Decimal | None = None
    ) -> OrderRequest | Refused:
        """Send a person's order. A buy becomes a position; a sell may only use coins that belong to none.

        A client order id that is known already sends nothing and returns the first request.
        """
        known = self.orders.by_client_id(request.client_order_id)
        first = self._free.pending(request.client_order_id) if known is None else known.request
        if first is not None:
            return first
        try:
            reason = self._objection(request, stop, target) or self._free.refusal(request)
        except InvalidValueError as error:
            reason = str(error)
        if reason is not None:
            return Refused(reason)
        if request.side is Side.BUY:
            return self._enter(request, stop, target)
        self._send(request)
        return request

    def close(self, position_id: str, reason: CloseReason, now_ns: int) -> bool:
        """Start taking a position off. False if it is not there or already on its way out."""
        return self._protections.close(position_id, reason, now_ns)

    def close_all(self, reason: CloseReason, now_ns: int) -> tuple[str, ...]:
        """Flat: start taking everything off, entries that have not filled included. Returns the positions begun."""
        return tuple(p.position_id for p in self._protections.all() if self.close(p.position_id, reason, now_ns))

    def cancel(self, client_order_id: str) -> Refused | None:
        """Cancel a person's order or an entry. The stop and the exit of a position are the desk's own."""
        serving = self._protections.role(client_order_id)
        if serving is not None and serving[1] is not Role.ENTRY:
            return Refused(f"{client_order_id} belongs to {serving[0].position_id}: close the position instead")
        self._broker.cancel(client_order_id)
        return None

    def amend(self, request: AmendRequest) -> Refused | None:
        """Change an order in place. Of a stop only the price may change, and not to where it would fire at once."""
        serving = self._protections.role(request.client_order_id)
        if serving is not None and serving[1] is not Role.ENTRY:
            protection, role = serving
            if role is Role.EXIT or request.quantity is not None or not isinstance(protection.stage, Protected):
                return Refused(f"{request.client_order_id} belongs to {protection.position_id}: not to be changed now")
            if request.price is not None and not self._is_below_market(protection.symbol, request.price):
                return Refused(f"a stop at {text(request.price)} is not below the market and would fire at once")
        self._broker.amend(request)
        return None

    def on_event(self, event: ExchangeEvent, now_ns: int) -> None:
        """An answer of the venue has become visible. Updates register and positions, then does what is next."""
        record = self.orders.apply(event)
        self.positions.apply(event)
        if isinstance(event, OrderSubmitted):
            self._free.submitted(event)
        elif isinstance(event, OrderFilled):
            self._free.filled(event)
        self._protections.on_event(event, record is not None and record.status.is_final, now_ns)

    def on_quote(
        self, symbol: str, bid: Decimal | None, ask: Decimal | None, last: Decimal | None, now_ns: int
    ) -> None:
        """A new quote. The bid (without a book: the last trade) at or above a target starts the way out."""
        self._quotes[symbol] = (bid, ask, last)
        price = bid if bid is not None or ask is not None else last
        if price is not None:
            self._protections.on_price(symbol, price, now_ns)
        due_ns = self._protections.next_due_ns()
        if due_ns is not None and now_ns >= due_ns:
            self.on_timer(now_ns)

    def forget_changes(self) -> None:
        """What is stored is the executor's view; nobody asks what has changed in this one."""
        self.orders.drain_changed()
        self.positions.drain_changed()

    def on_timer(self, now_ns: int) -> None:
        """Time exits, retries, and the alarm for what is still unprotected."""
        self._protections.on_timer(now_ns)

    def next_due_ns(self) -> int | None:
        """When `on_timer` is wanted next; None if nothing waits for time."""
        return self._protections.next_due_ns()

    def lowest_target(self, symbol: str) -> Decimal | None:
        """The next target of a symbol: no quote below it needs `on_quote` for the target's sake."""
        return self._protections.lowest_target(symbol)

    def open_positions(self, symbol: str | None = None) -> tuple[OpenPosition, ...]:
        """Positions and entries on their way, oldest first; all symbols, or one."""
        chosen = (p for p in self._protections.all() if symbol is None or p.symbol == symbol)
        quantity = self.positions.quantity
        return tuple(
            OpenPosition(
                p.position_id,
                p.symbol,
                quantity(p.position_id),
                p.ordered,
                entry_over=p.entry is Leg.OVER,
                leaving=p.is_leaving,
                by_hand=not _OWN_ID.fullmatch(p.entry_id),
            )
            for p in chosen
        )

    def protection(self, position_id: str) -> Protection | None:
        """How a position is protected now; None once it is over."""
        return self._protections.get(position_id)

    def free(self, asset: str) -> Decimal:
        """Coins that belong to no position and no open order."""
        return self._free.free(asset)

    @property
    def delays(self) -> ProtectionDelays:
        """How long fills stood without a stop."""
        return self._protections.delays

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Alerts nobody has drained yet."""
        return tuple(self._protections.alerts)

    def drain_alerts(self) -> list[Alert]:
        """The alerts since the last call."""
        alerts = list(self._protections.alerts)
        self._protections.alerts.clear()
        return alerts

    def _next(self, kind: str) -> str:
        self._counters[kind] += 1
        return f"{kind}-{self._counters[kind]}"

    def _ask(self, symbol: str) -> Decimal | None:
        bid, ask, last = self._quotes.get(symbol, (None, None, None))
        return last if bid is None and ask is None else ask

    def _is_below_market(self, symbol: str, price: Decimal) -> bool:
        bid, _, last = self._quotes.get(symbol, (None, None, None))
        return all(price < known for known in (bid, last) if known is not None)

    def _objection(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None) -> str | None:
        if _OWN_ID.fullmatch(request.client_order_id):
            return f"the client order id {request.client_order_id!r} is of the kind the desk gives; choose another"
        if request.position_id is not None:
            return "an order cannot be tied to a position by hand; close the position instead"
        instrument = self._instruments.get(request.symbol)
        if instrument is None:
            return f"unknown symbol {request.symbol!r}; known are {', '.join(sorted(self._instruments))}"
        if request.side is Side.SELL and (stop is not None or target is not None):
            return "a sell takes no stop or target: it opens nothing"
        _check_ticks(instrument, stop, target)
        if stop is not None and target is not None and stop >= target:
            return f"the stop {text(stop)} must be below the target {text(target)}"
        if stop is not None and not self._is_below_market(request.symbol, stop):
            return f"a stop at {text(stop)} is not below the market and would fire at once"
        return None

    def _enter(self, request: OrderRequest, stop: Decimal | None, target: Decimal | None) -> OrderRequest:
        _check_ticks(self._instruments[request.symbol], stop, target)
        request = replace(request, position_id=self._next("pos"))
        self._protections.enter(request, stop, target)
        self._send(request)
        return request

    def _send(self, request: OrderRequest) -> None:
        self._free.sent(request)
        self._broker.place(request)

    def state(self) -> dict[str, Any]:
        """The desk alone; register and positions have their own state. Alerts are drained, not kept."""
        return {
            "protections": self._protections.state(),
            "counters": dict(self._counters),
            "quotes": {s: [None if v is None else text(v) for v in quote] for s, quote in self._quotes.items()},
            "free": self._free.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._protections.restore(state["protections"])
        self._counters = dict(state["counters"])
        self._quotes = {}
        for symbol, quote in state["quotes"].items():
            bid, ask, last = (None if value is None else Decimal(value) for value in quote)
            self._quotes[symbol] = (bid, ask, last)
        self._free.restore(state["free"])


def _check_ticks(instrument: Instrument, stop: Decimal | None, target: Decimal | None) -> None:
    for price in (stop, target):
        if price is not None:
            instrument.ticks(price)
