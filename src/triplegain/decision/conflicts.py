"""When agents, or agents and risk, are at odds over a trade that would open a position, and what is done about it.

| conflict | when | without a model |
|---|---|---|
| sentiment | technical analysis and sentiment look opposite ways, about equally sure | wait |
| choppy | the market is choppy | abort |
| risk | risk's limits of the moment leave less than half of the usual size, or less than was asked for | abort |

Exits are never in conflict. A model that is asked may let the trade proceed, let it wait, make it smaller or abort
it; whatever else it says is an abort. Nothing it says makes a trade larger.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import assert_never

from triplegain.agents.answer import Action, AgentAnswer
from triplegain.agents.conflict import ConflictKind, Ruling
from triplegain.decision.agreement import View
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.configured import key
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, floor_to, text
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import Intent, Regime
from triplegain.domain.verdict import Clamp, Reason, RiskApproved, RiskRefused, Rule
from triplegain.domain.written import FRACTION, SECONDS

#: The clamp a conflict leaves behind.
CONFLICT_CLAMP = "conflict"
#: Rules that speak of this moment (what else is on, what has just happened) and not of the trade's own usual size.
_MOMENT_RULES = frozenset(
    {
        Rule.LOSING_STREAK_SIZE,
        Rule.VOLATILITY_SPIKE,
        Rule.EXPOSURE_MAX,
        Rule.CORRELATION_MAX,
        Rule.MARGIN,
        Rule.MARGIN_UTILISATION,
        Rule.FUNDS,
    }
)
_ZERO, _ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class Conflict:
    """`words` say what stands against what."""

    kind: ConflictKind
    words: str

    @property
    def by_rules(self) -> Ruling:
        """The ruling where no model is asked."""
        match self.kind:
            case ConflictKind.TECHNICAL_AGAINST_SENTIMENT:
                return Ruling.WAIT
            case ConflictKind.TRADE_IN_CHOPPY | ConflictKind.RISK_OVERRIDE:
                return Ruling.ABORT
            case _:
                assert_never(self.kind)


@dataclass(frozen=True, slots=True)
class ConflictSettings:
    """`confidence_gap`: confidences at least this far apart settle a contradiction by themselves.

    `risk_cut` is the share of the usual size that risk must leave. A trade waits for `wait_max_ns` at most, and a
    model that is asked has `timeout_ns`.
    """

    confidence_gap: Decimal = key(
        "confidence_gap", "0.2", FRACTION,
        "technical analysis against sentiment is a conflict while their confidences are nearer than this",
    )  # fmt: skip
    risk_cut: Decimal = key(
        "risk_cut", "0.5", FRACTION, "risk leaving less than this share of the usual size is a conflict"
    )
    wait_max_ns: int = key("wait_max_s", 3600, SECONDS, "a trade that was told to wait is dropped after this")
    timeout_ns: int = key("timeout_s", 10, SECONDS, "a model asked to resolve a conflict has so long")


@dataclass(frozen=True, slots=True)
class ModelRuling:
    """What a model said. `size_share` is the share of the size that may stay, for `modify`."""

    model: str
    ruling: Ruling
    reasoning: str
    size_share: Decimal = _ONE


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is done: with `modify` the trade keeps `size_share` of its size. `by` is `rules` or the model's name."""

    ruling: Ruling
    reason: str
    by: str = "rules"
    size_share: Decimal = _ONE


def find_conflicts(
    approved: RiskApproved,
    technical: View | None,
    sentiment: View | None,
    regime: Regime,
    settings: ConflictSettings,
    wanted: Decimal | None = None,
) -> tuple[Conflict, ...]:
    """Every conflict over one approved proposal; none unless it opens a position.

    The views are fresh ones of its symbol (None: there is none). `wanted` is the base quantity that was asked for by
    name, None where risk was left to size it.
    """
    if approved.proposal.intent is not Intent.OPEN:
        return ()
    found = (
        _contradiction(technical, sentiment, settings),
        Conflict(ConflictKind.TRADE_IN_CHOPPY, "the market is choppy") if regime is Regime.CHOPPY else None,
        _risk_override(approved, wanted, settings),
    )
    return tuple(conflict for conflict in found if conflict is not None)


def _contradiction(technical: View | None, sentiment: View | None, settings: ConflictSettings) -> Conflict | None:
    if technical is None or sentiment is None or technical.direction is None or sentiment.direction is None:
        return None
    if technical.direction is sentiment.direction:
        return None
    if abs(EXACT.subtract(technical.confidence, sentiment.confidence)) >= settings.confidence_gap:
        return None
    return Conflict(
        ConflictKind.TECHNICAL_AGAINST_SENTIMENT,
        f"technical analysis says {technical.direction} ({text(technical.confidence)}), "
        f"sentiment says {sentiment.direction} ({text(sentiment.confidence)})",
    )


def _risk_override(approved: RiskApproved, wanted: Decimal | None, settings: ConflictSettings) -> Conflict | None:
    kept = Fraction(1)
    rules = []
    for clamp in approved.clamps:
        if clamp.rule in _MOMENT_RULES and clamp.before > 0:
            kept *= Fraction(clamp.after) / Fraction(clamp.before)
            rules.append(str(clamp.rule))
    if kept < Fraction(settings.risk_cut):
        words = f"risk leaves {float(kept):.0%} of the usual size ({', '.join(rules)})"
        return Conflict(ConflictKind.RISK_OVERRIDE, words)
    if wanted is not None and wanted > approved.quantity:
        words = f"{text(wanted)} {approved.proposal.symbol} was asked for, risk gives {text(approved.quantity)}"
        return Conflict(ConflictKind.RISK_OVERRIDE, words)
    return None


def resolve(conflicts: Iterable[Conflict], answer: ModelRuling | None = None) -> Resolution:
    """What is done about them: what the model says, else the strictest of the rules. Without a conflict: proceed."""
    found = tuple(conflicts)
    if not found:
        return Resolution(Ruling.PROCEED, "no conflict")
    words = "; ".join(conflict.words for conflict in found)
    if answer is None:
        rulings = [conflict.by_rules for conflict in found]
        return Resolution(Ruling.ABORT if Ruling.ABORT in rulings else Ruling.WAIT, words)
    return _as_said(answer, words)


def _as_said(answer: ModelRuling, words: str) -> Resolution:
    reason = f"{words}: {answer.reasoning}"
    match answer.ruling:
        case Ruling.PROCEED | Ruling.WAIT | Ruling.ABORT:
            return Resolution(answer.ruling, reason, answer.model)
        case Ruling.MODIFY:
            share = answer.size_share
            if share.is_finite() and _ZERO < share < _ONE:
                return Resolution(Ruling.MODIFY, reason, answer.model, share)
            return Resolution(Ruling.ABORT, f"{words}: a modification may only reduce, not to {share}", answer.model)
        case _:
            assert_never(answer.ruling)


def reduced(approved: RiskApproved, resolution: Resolution, instrument: Instrument) -> RiskApproved | RiskRefused:
    """The trade with what a `modify` leaves of it, cut to the lot; refused if the exchange would not take the rest.

    Every other ruling leaves the trade as it is: whether it is sent is another matter.
    """
    if resolution.ruling is not Ruling.MODIFY:
        return approved
    before = approved.quantity
    after = floor_to(EXACT.multiply(before, min(resolution.size_share, _ONE)), instrument.lot)
    clamps = (*approved.clamps, Clamp(CONFLICT_CLAMP, before, after))
    entry = approved.proposal.entry
    too_small = after < instrument.quantity_min
    if too_small or (entry is not None and EXACT.multiply(after, entry) < instrument.cost_min):
        words = f"the conflict leaves {text(after)} {instrument.symbol}, less than the exchange's minimum"
        return RiskRefused(approved.proposal, (Reason(Rule.MINIMUM, words),), clamps)
    return replace(approved, proposal=replace(approved.proposal, quantity=after), clamps=clamps)


@dataclass(frozen=True, slots=True)
class WaitingTrade:
    """`decision_number` is the decision it came from, `reason` what it waits for."""

    symbol: str
    decision_number: int
    answer: AgentAnswer
    reason: str
    since_ns: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class DroppedTrade:
    """It was not made; `reason` says why, for the record."""

    trade: WaitingTrade
    reason: str


class WaitingTrades:
    """At most one for each symbol: a later decision speaks for the earlier one too."""

    def __init__(self, wait_max_ns: int = 3600 * SECOND_NS) -> None:
        self._wait_max_ns = wait_max_ns
        self._trades: dict[str, WaitingTrade] = {}

    def wait(
        self, symbol: str, decision_number: int, answer: AgentAnswer, reason: str, now_ns: int
    ) -> DroppedTrade | None:
        """Keep it for another try. The same decision may be told to wait again; its time does not begin anew.

        Returns an earlier decision's trade that it takes the place of. Raises InvalidValueError for what is no buy:
        nothing else opens a position, and exits never wait.
        """
        if answer.action is not Action.BUY:
            raise InvalidValueError(f"only a buy can wait, this is {answer.action}")
        known = self._trades.get(symbol)
        if known is not None and known.decision_number == decision_number:
            return None
        dropped = self.drop(symbol, "a later decision has taken its place")
        until_ns = now_ns + self._wait_max_ns
        self._trades[symbol] = WaitingTrade(symbol, decision_number, answer, reason, now_ns, until_ns)
        return dropped

    def expire(self, now_ns: int) -> tuple[DroppedTrade, ...]:
        """Take out those whose time is up, in the order they came."""
        over = [trade for trade in self._trades.values() if trade.until_ns <= now_ns]
        for trade in over:
            del self._trades[trade.symbol]
        return tuple(DroppedTrade(trade, f"waited in vain: {trade.reason}") for trade in over)

    def to_try(self, symbol: str) -> WaitingTrade | None:
        """What waits for this symbol. It stays until `drop`: sent, aborted, or spoken for by a later decision."""
        return self._trades.get(symbol)

    def drop(self, symbol: str, reason: str) -> DroppedTrade | None:
        """It waits no longer."""
        trade = self._trades.pop(symbol, None)
        return None if trade is None else DroppedTrade(trade, reason)

    def drop_all(self, reason: str) -> tuple[DroppedTrade, ...]:
        """None waits any longer: a halt, an emergency."""
        over, self._trades = tuple(self._trades.values()), {}
        return tuple(DroppedTrade(trade, reason) for trade in over)

    def __len__(self) -> int:
        return len(self._trades)

    def register(self, parts: Parts) -> None:
        parts.single("decision.waiting_trades", tuple[WaitingTrade, ...], self._state, self._restore)

    def _state(self) -> tuple[WaitingTrade, ...]:
        return tuple(self._trades.values())

    def _restore(self, stored: tuple[WaitingTrade, ...]) -> None:
        self._trades = {trade.symbol: trade for trade in stored}
