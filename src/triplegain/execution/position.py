"""One position: the sums of its fills, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from triplegain.domain.errors import TripleGainError
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.money import EXACT, divide, text
from triplegain.domain.orders import Side
from triplegain.domain.records import CloseReason, PositionRecord
from triplegain.ledger.realised import add_known, cost_share, in_usd

_ZERO = Decimal(0)


class PositionError(TripleGainError):
    """Fills that cannot belong to this position. Always a bug or a damaged record: the session halts."""


@dataclass(slots=True)
class Position:
    """One entry order and its exits. Money in the quote currency, quantities in base.

    Realised P&L is a function of the sums alone: exit notional - average entry x exit quantity - all fees paid. So
    realised + (mark - average entry) x quantity is always what the position earned, in whatever order fills came.
    `stop` is where its stop order stands, `stop_reason` what the position closes with if it fires there.
    """

    position_id: str
    symbol: str
    entry_order_number: int
    opened_at_ns: int
    updated_at_ns: int
    entry_over: bool = False
    live_exits: set[int] = field(default_factory=set)
    bought: Decimal = _ZERO
    bought_notional: Decimal = _ZERO
    sold: Decimal = _ZERO
    sold_notional: Decimal = _ZERO
    fees: Decimal = _ZERO
    entry_fees: Decimal = _ZERO
    realised: Decimal = _ZERO
    realised_usd: Decimal | None = _ZERO
    stop: Decimal | None = None
    stop_reason: CloseReason = CloseReason.STOP_LOSS
    target: Decimal | None = None
    closed_at_ns: int | None = None
    close_reason: CloseReason | None = None
    dust: bool = False

    @property
    def quantity(self) -> Decimal:
        return EXACT.subtract(self.bought, self.sold)

    @property
    def average_entry(self) -> Decimal:
        return divide(self.bought_notional, self.bought)

    @property
    def average_cost(self) -> Decimal:
        """The average entry with the fees of buying."""
        return divide(EXACT.add(self.bought_notional, self.entry_fees), self.bought)

    def fill(self, side: Side, purpose: str, event: OrderFilled, quote_usd: Decimal | None) -> None:
        """Take one fill in. `purpose` of an exit is its close reason; `quote_usd` prices what was realised."""
        if side is Side.BUY:
            self.bought = EXACT.add(self.bought, event.quantity)
            self.bought_notional = EXACT.add(self.bought_notional, event.notional)
            self.entry_fees = EXACT.add(self.entry_fees, event.fee)
        else:
            self.sold = EXACT.add(self.sold, event.quantity)
            self.sold_notional = EXACT.add(self.sold_notional, event.notional)
            self.close_reason = CloseReason(purpose)
        if self.quantity < 0:
            raise PositionError(f"position {self.position_id} has sold {-self.quantity} more than it ever bought")
        self.fees = EXACT.add(self.fees, event.fee)
        self.updated_at_ns = event.time_ns
        sold_cost = cost_share(self.bought_notional, self.sold, self.bought)
        realised = EXACT.subtract(EXACT.subtract(self.sold_notional, sold_cost), self.fees)
        gain = EXACT.subtract(realised, self.realised)
        self.realised = realised
        self.realised_usd = add_known(self.realised_usd, in_usd(gain, quote_usd))

    def end(self, time_ns: int) -> None:
        """Over for trading; a rest is dust."""
        self.closed_at_ns = self.updated_at_ns = time_ns
        self.dust = self.quantity > 0

    def record(self) -> PositionRecord:
        return PositionRecord(
            position_id=self.position_id,
            symbol=self.symbol,
            side=Side.BUY,
            entry_order_number=self.entry_order_number,
            quantity=self.quantity,
            entry_quantity=self.bought,
            average_entry=self.average_entry,
            realised=self.realised,
            realised_usd=self.realised_usd,
            fees=self.fees,
            opened_at_ns=self.opened_at_ns,
            updated_at_ns=self.updated_at_ns,
            stop=self.stop,
            target=self.target,
            closed_at_ns=self.closed_at_ns,
            close_reason=self.close_reason if self.closed_at_ns is not None else None,
            dust=self.dust,
        )

    def state(self) -> dict[str, Any]:
        def known(value: Decimal | None) -> str | None:
            return None if value is None else text(value)

        return {
            "position_id": self.position_id,
            "symbol": self.symbol,
            "entry_order_number": self.entry_order_number,
            "opened_at_ns": str(self.opened_at_ns),
            "updated_at_ns": str(self.updated_at_ns),
            "entry_over": self.entry_over,
            "live_exits": sorted(self.live_exits),
            "bought": text(self.bought),
            "bought_notional": text(self.bought_notional),
            "sold": text(self.sold),
            "sold_notional": text(self.sold_notional),
            "fees": text(self.fees),
            "entry_fees": text(self.entry_fees),
            "realised": text(self.realised),
            "realised_usd": known(self.realised_usd),
            "stop": known(self.stop),
            "stop_reason": self.stop_reason.value,
            "target": known(self.target),
            "close_reason": None if self.close_reason is None else self.close_reason.value,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Position:
        """An open position as it stood. Ended ones are not part of any state."""

        def known(value: str | None) -> Decimal | None:
            return None if value is None else Decimal(value)

        return cls(
            position_id=state["position_id"],
            symbol=state["symbol"],
            entry_order_number=state["entry_order_number"],
            opened_at_ns=int(state["opened_at_ns"]),
            updated_at_ns=int(state["updated_at_ns"]),
            entry_over=state["entry_over"],
            live_exits=set(state["live_exits"]),
            bought=Decimal(state["bought"]),
            bought_notional=Decimal(state["bought_notional"]),
            sold=Decimal(state["sold"]),
            sold_notional=Decimal(state["sold_notional"]),
            fees=Decimal(state["fees"]),
            entry_fees=Decimal(state["entry_fees"]),
            realised=Decimal(state["realised"]),
            realised_usd=known(state["realised_usd"]),
            stop=known(state["stop"]),
            stop_reason=CloseReason(state["stop_reason"]),
            target=known(state["target"]),
            close_reason=None if state["close_reason"] is None else CloseReason(state["close_reason"]),
        )
