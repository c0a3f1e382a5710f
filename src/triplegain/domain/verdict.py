"""What the gate answers. Only a `RiskApproved` can be sent as an order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.proposal import TradeProposal


class Rule(StrEnum):
    """Name of a rule for machines, as stored; `docs/risk.md` says what each one asks."""

    NUMBERS = "numbers"
    HALTED = "halted"
    EQUITY = "equity"
    COOLDOWN_TRADE = "cooldown_trade"
    COOLDOWN_LOSS = "cooldown_loss"
    COOLDOWN_LOSING_STREAK = "cooldown_losing_streak"
    COOLDOWN_LONG_LOSING_STREAK = "cooldown_long_losing_streak"
    COOLDOWN_VOLATILITY_SPIKE = "cooldown_volatility_spike"
    COOLDOWN_UNUSUAL_MOVE = "cooldown_unusual_move"
    COOLDOWN_REBALANCE = "cooldown_rebalance"
    TIMEOUT = "timeout"
    FRESH_DATA = "fresh_data"
    SPREAD = "spread"
    NO_SHORTS = "no_shorts"
    POSITION = "position"
    STOP_REQUIRED = "stop_required"
    STOP_LEVEL = "stop_level"
    STOP_MIN = "stop_min"
    STOP_MAX = "stop_max"
    PRICE_STEP = "price_step"
    REWARD_RISK = "reward_risk"
    CONFIDENCE = "confidence"
    SIZING = "sizing"
    SIZE_MAX = "size_max"
    LOSS_MAX = "loss_max"
    LOSING_STREAK_SIZE = "losing_streak_size"
    VOLATILITY_SPIKE = "volatility_spike"
    LEVERAGE_MAX = "leverage_max"
    LEVERAGE_VENUE = "leverage_venue"
    LEVERAGE_REGIME = "leverage_regime"
    LEVERAGE_CONFIDENCE = "leverage_confidence"
    LEVERAGE_DRAWDOWN = "leverage_drawdown"
    LEVERAGE_LOSING_STREAK = "leverage_losing_streak"
    LEVERAGE_AFTER_RESET = "leverage_after_reset"
    EXPOSURE_MAX = "exposure_max"
    CORRELATION_MAX = "correlation_max"
    MARGIN = "margin"
    MARGIN_UTILISATION = "margin_utilisation"
    FUNDS = "funds"
    LOT = "lot"
    MINIMUM = "minimum"
    POSITIONS_MAX = "positions_max"
    POSITIONS_PER_SYMBOL_MAX = "positions_per_symbol_max"
    TRADING_WINDOW = "trading_window"
    DAILY_LOSS = "daily_loss"
    WEEKLY_LOSS = "weekly_loss"
    DRAWDOWN = "drawdown"


class RiskOutcome(StrEnum):
    """The verdict in one word. MODIFIED is approved, but smaller than asked for."""

    APPROVED = "approved"
    MODIFIED = "modified"
    REJECTED = "rejected"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not, or what to watch: the rule for machines, `words` for people."""

    rule: Rule
    words: str


@dataclass(frozen=True, slots=True)
class Clamp:
    """One reduction: `rule` brought a number (base quantity, or leverage) from `before` down to `after`."""

    rule: str
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class RiskApproved:
    """`proposal` may be sent as it stands here: quantity and entry are set, and no larger than asked for.

    `warnings` are limits that are near. `decided_at_ns` and `elapsed_ns` are the asker's: when, and how long it took.
    """

    proposal: TradeProposal
    clamps: tuple[Clamp, ...] = ()
    warnings: tuple[Reason, ...] = ()
    decided_at_ns: int = 0
    elapsed_ns: int = 0

    @property
    def quantity(self) -> Decimal:
        """Base quantity to send. Raises InvalidValueError if nobody set it: then this never passed the gate."""
        if self.proposal.quantity is None:
            raise InvalidValueError("an approved proposal names its quantity; this one did not pass the risk gate")
        return self.proposal.quantity

    @property
    def outcome(self) -> RiskOutcome:
        return RiskOutcome.MODIFIED if self.clamps else RiskOutcome.APPROVED


@dataclass(frozen=True, slots=True)
class RiskRefused:
    """Every reason against it. `clamps` are the reductions that had been tried when nothing worth sending was left."""

    proposal: TradeProposal
    objections: tuple[Reason, ...]
    clamps: tuple[Clamp, ...] = ()
    decided_at_ns: int = 0
    elapsed_ns: int = 0

    @property
    def reasons(self) -> tuple[str, ...]:
        """The objections in words a user understands."""
        return tuple(objection.words for objection in self.objections)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The objections for machines, in the same order."""
        return tuple(objection.rule for objection in self.objections)

    @property
    def halted(self) -> bool:
        """Whether trading as a whole stands still, and not only this trade."""
        return any(objection.rule is Rule.HALTED for objection in self.objections)

    @property
    def outcome(self) -> RiskOutcome:
        return RiskOutcome.HALTED if self.halted else RiskOutcome.REJECTED


RiskVerdict = RiskApproved | RiskRefused
