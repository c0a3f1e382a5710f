"""What somebody would like to trade, before risk has looked at it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from triplegain.domain.orders import OrderTerms, Side


class Intent(StrEnum):
    """What the trade is for. Exits are never blocked by confidence, exposure or counts."""

    OPEN = "open"
    REDUCE = "reduce"
    CLOSE = "close"
    REBALANCE = "rebalance"

    @property
    def is_exit(self) -> bool:
        return self in (Intent.REDUCE, Intent.CLOSE)


class Regime(StrEnum):
    """Condition of a market."""

    TRENDING_BULL = "trending_bull"
    TRENDING_BEAR = "trending_bear"
    RANGING = "ranging"
    VOLATILE_BULL = "volatile_bull"
    VOLATILE_BEAR = "volatile_bear"
    CHOPPY = "choppy"
    BREAKOUT_POTENTIAL = "breakout_potential"
    UNKNOWN = "unknown"


class Strictness(StrEnum):
    """How much more, or less, confidence than usual a market's condition asks for."""

    RELAXED = "relaxed"
    NORMAL = "normal"
    STRICT = "strict"
    VERY_STRICT = "very_strict"


@dataclass(frozen=True, slots=True)
class TradeProposal:
    """A trade as proposed. Prices in quote per base, `quantity` in base (None: as much as the sizing rule gives).

    `quantity` is what is bought in all, not what is paid for: leverage lowers the margin, never the risk. `entry` is
    what the proposer reckoned with; the gate measures by the order's terms and the market. `confidence` from 0 to 1.
    """

    symbol: str
    side: Side
    intent: Intent
    terms: OrderTerms
    quantity: Decimal | None = None
    entry: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    leverage: int = 1
    confidence: Decimal = Decimal(1)
    regime: Regime = Regime.UNKNOWN
