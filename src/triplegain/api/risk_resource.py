"""The state of risk and its verdicts, as the API shows them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from triplegain.api.wire import Amount, Resource, Time
from triplegain.domain.verdict import Reason, RiskApproved, RiskVerdict


class Halt(BaseModel):
    """Nothing new is opened until then; null: until an administrator resets."""

    kind: str
    until: Time | None
    reason: str


class CoolDown(BaseModel):
    """Nothing new in `symbol` (null: in any) until then."""

    kind: str
    symbol: str | None
    until: Time


class Breaker(BaseModel):
    """It acts when equity, `measured_from` there, has lost `loss_percent`: at `acts_at` USD. Null: not known yet."""

    kind: str
    loss_percent: Amount
    measured_from: Amount | None
    acts_at: Amount | None


class MarketLimits(BaseModel):
    """What holds for the next opening in one market, its regime and the account's past included.

    `size_factor` is the share of the sizing rule that regime, losses and volatility leave. Stops in percent of the
    entry.
    """

    symbol: str
    regime: str
    confidence_min: Amount
    size_factor: Amount
    leverage_max: int
    stop_min_percent: Amount
    stop_max_percent: Amount
    open_positions: int


class Limits(BaseModel):
    """The account's, in USD of equity as it is now; null where equity, or the exposure, is not known."""

    position_max_usd: Amount | None
    loss_at_stop_max_usd: Amount | None
    exposure_usd: Amount | None
    exposure_max_usd: Amount | None
    open_positions: int
    positions_max: int
    positions_per_symbol_max: int
    reward_risk_min: Amount


class RiskState(Resource):
    """How the account stands. `words` is everything that stands against a new trade or makes it smaller.

    `state` is running, paused or halted. Equity in USD, unrealised included, null where something held has no fresh
    price. Percentages are signed and of what they are measured from, `drawdown_percent` is 0 or above.
    """

    session: str
    market_time: Time
    state: str
    words: list[str]
    equity: Amount | None
    peak_equity: Amount | None
    drawdown_percent: Amount | None
    day_percent: Amount | None
    week_percent: Amount | None
    losses_in_a_row: int
    next_size_halved: bool
    leverage_one_until: Time | None
    halts: list[Halt]
    cooldowns: list[CoolDown]
    breakers: list[Breaker]
    limits: Limits
    markets: list[MarketLimits]


class Objection(BaseModel):
    """The rule for machines, its words for people."""

    rule: str
    words: str


class Reduction(BaseModel):
    """A rule brought a number, the quantity or the leverage, down."""

    rule: str
    before: Amount = Field(serialization_alias="from")
    after: Amount = Field(serialization_alias="to")


class Verdict(Resource):
    """What risk says to a trade that nobody sent. `outcome` is approved, modified, rejected or halted.

    Quantity, entry and leverage are what would be sent; where it is refused, what was asked for.
    """

    session: str
    market_time: Time
    outcome: str
    approved: bool
    paused: bool
    symbol: str
    side: str
    intent: str
    quantity: Amount | None
    entry: Amount | None
    stop: Amount | None
    target: Amount | None
    leverage: int
    confidence: Amount
    regime: str
    reasons: list[Objection]
    warnings: list[Objection]
    clamps: list[Reduction]


class RiskReset(Resource):
    """A reset that is stored. `ended` are the halts it ended, in words."""

    session: str
    ended: list[str]


def verdict(found: RiskVerdict, session: str, mode: str, paused: bool) -> Verdict:
    proposal = found.proposal
    approved = isinstance(found, RiskApproved)
    return Verdict(
        mode=mode,
        session=session,
        market_time=found.decided_at_ns,
        outcome=found.outcome.value,
        approved=approved,
        paused=paused,
        symbol=proposal.symbol,
        side=proposal.side.value,
        intent=proposal.intent.value,
        quantity=proposal.quantity,
        entry=proposal.entry,
        stop=proposal.stop,
        target=proposal.target,
        leverage=proposal.leverage,
        confidence=proposal.confidence,
        regime=proposal.regime.value,
        reasons=[] if isinstance(found, RiskApproved) else _told(found.objections),
        warnings=_told(found.warnings) if isinstance(found, RiskApproved) else [],
        clamps=[Reduction(rule=str(c.rule), before=c.before, after=c.after) for c in found.clamps],
    )


def _told(reasons: tuple[Reason, ...]) -> list[Objection]:
    return [Objection(rule=reason.rule.value, words=reason.words) for reason in reasons]
