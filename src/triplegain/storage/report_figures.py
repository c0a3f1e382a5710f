"""The figures of a report: plain numbers from the database and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import reduce

import msgspec

from triplegain.domain.money import EXACT, divide
from triplegain.domain.records import CloseReason
from triplegain.domain.statement import percent_of


def exact_sum(parts: Iterable[Decimal]) -> Decimal:
    """Not a digit lost."""
    return reduce(EXACT.add, parts, Decimal(0))


class SymbolFigures(msgspec.Struct, frozen=True):
    """One pair. `realised`, `fees` and the notionals in its quote currency; realised is net of fees, open ones too."""

    symbol: str
    positions: int = 0
    closed: int = 0
    wins: int = 0
    losses: int = 0
    unprotected: int = 0
    dust: int = 0
    realised: Decimal = Decimal(0)
    realised_usd: Decimal | None = Decimal(0)
    fills: int = 0
    maker_fills: int = 0
    notional: Decimal = Decimal(0)
    maker_notional: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)

    @property
    def quote(self) -> str:
        return self.symbol.partition("/")[2]

    @property
    def maker_percent(self) -> Decimal | None:
        """Share of the notional that was filled as maker; None without a fill."""
        return percent_of(self.maker_notional, self.notional)


class TradeResult(msgspec.Struct, frozen=True):
    """One closed position, net of fees."""

    position_id: str
    symbol: str
    realised: Decimal
    realised_usd: Decimal | None


class TradeFigures(msgspec.Struct, frozen=True):
    """Closed positions. Amounts in USD, None where one of them had no USD price; break-even is no win and no loss."""

    closed: int
    wins: int
    losses: int
    won_usd: Decimal | None
    lost_usd: Decimal | None
    best: TradeResult | None
    worst: TradeResult | None
    average_holding_ns: int | None

    @property
    def win_rate_percent(self) -> Decimal | None:
        """Of the trades won or lost; None before the first."""
        return percent_of(Decimal(self.wins), Decimal(self.wins + self.losses))

    @property
    def average_win_usd(self) -> Decimal | None:
        return None if self.won_usd is None else divide(self.won_usd, Decimal(self.wins))

    @property
    def average_loss_usd(self) -> Decimal | None:
        return None if self.lost_usd is None else divide(self.lost_usd, Decimal(self.losses))


class Shortfall(msgspec.Struct, frozen=True):
    """Implementation shortfall of the fills paid in `asset`: what trading cost against the middle at the decision.

    Over `known` of the `fills`; the rest had no quotes to compare with. A part below zero is a gain.
    """

    asset: str
    fills: int
    known: int
    notional: Decimal
    delay: Decimal
    spread: Decimal
    impact: Decimal
    fee: Decimal

    @property
    def total(self) -> Decimal | None:
        """None where no fill could be compared."""
        return exact_sum((self.delay, self.spread, self.impact, self.fee)) if self.known else None

    @property
    def basis_points(self) -> Decimal | None:
        """Of the notional that could be compared."""
        total = self.total
        return divide(total * 10_000, self.notional) if total is not None and self.notional else None


class CloseReasonFigures(msgspec.Struct, frozen=True):
    reason: CloseReason
    count: int
    realised_usd: Decimal | None


class UntradedReason(msgspec.Struct, frozen=True):
    """How often `reason` kept `symbol` from being traded. A decision with two reasons counts under both."""

    symbol: str
    outcome: str
    reason: str
    count: int
    last_time_ns: int
