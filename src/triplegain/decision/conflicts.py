"""When agents, or agents and risk, are at odds over a trade that would open a position, and what is done about it.

| conflict | when | without a model |
|---|---|---|
| sentiment | technical analysis and sentiment look opposite ways, about equally sure | wait |
| choppy | the market is choppy | abort |
| risk | risk's limits of the moment leave less than half of the usual size | abort |

Exits are never in conflict. A model that is asked may let the trade proceed, let it wait, make it smaller or abort
it; whatever else it says is an abort. Nothing it says makes a trade larger.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import assert_never

from triplegain.agents.answer import Action, AgentAnswer
from triplegain.agents.conflict import ConflictKind, Ruling
from triplegain.agents.consensus import confidence_cap
from triplegain.agents.regime import REGIME
from triplegain.agents.sentiment import SENTIMENT
from triplegain.agents.spec import TaskSpec
from triplegain.agents.technical import TECHNICAL
from triplegain.domain.clock import HOUR_NS
from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, divide, floor_to, text
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import Intent, Regime
from triplegain.domain.verdict import Clamp, Reason, RiskApproved, RiskRefused, Rule
from triplegain.domain.written import FRACTION, SECONDS

_ZERO, _ONE = Decimal(0), Decimal(1)
_STEP = Decimal("0.000001")


class Direction(StrEnum):
    """Which way somebody expects a market to go."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Signal:
    """Which way the fresh answers of one task look on one symbol. `of_strangers`: they rest on text from outside."""

    source: str
    direction: Direction
    confidence: Decimal = _ZERO
    of_strangers: bool = False


@dataclass(frozen=True, slots=True)
class AgreementSettings:
    """How long a signal is fresh; where the multiplier starts to rise and to fall, and how far it does."""

    technical_fresh_ns: int = key("technical_fresh_s", 120, SECONDS, "a technical analysis counts for so long")
    regime_fresh_ns: int = key("regime_fresh_s", 600, SECONDS, "a regime counts for so long")
    sentiment_fresh_ns: int = key("sentiment_fresh_s", 3600, SECONDS, "a sentiment counts for so long")
    sentiment_dead_band: Decimal = key(
        "sentiment_dead_band", "0.1", FRACTION, "a sentiment (-1..1) not farther from 0 than this is no view"
    )
    agree_from: Decimal = key("agree_from", "0.66", FRACTION, "from this share of agreeing views on, confidence rises")
    disagree_below: Decimal = key("disagree_below", "0.33", FRACTION, "below this share confidence falls")
    raise_max: Decimal = key("raise_max", "0.30", FRACTION, "it rises by this share when all agree")
    cut_max: Decimal = key("cut_max", "0.15", FRACTION, "it falls by this share when none agrees")
    confidence_max: Decimal = confidence_cap()

    def __post_init__(self) -> None:
        if not 0 < self.disagree_below <= self.agree_from < 1:
            raise AtOddsError("0 < disagree_below <= agree_from < 1 must hold")

    def fresh_ns(self, task: TaskSpec) -> int:
        """How long an answer counts: what is not configured does for two runs of its task."""
        known = {
            TECHNICAL.name: self.technical_fresh_ns,
            REGIME.name: self.regime_fresh_ns,
            SENTIMENT.name: self.sentiment_fresh_ns,
        }
        return known.get(task.name, 2 * task.interval_ns)

    def direction(self, lean_pct: int, *, of_strangers: bool) -> Direction | None:
        """None for a lean that is no signal."""
        if abs(Decimal(lean_pct)) <= (self.sentiment_dead_band * 100 if of_strangers else _ZERO):
            return None
        return Direction.UP if lean_pct > 0 else Direction.DOWN


@dataclass(frozen=True, slots=True)
class Agreement:
    """`agreeing` of `fresh` signals look the decision's way; `multiplier` is what that makes of its confidence.

    The ratio r is the share of fresh signals that look the decision's way. Whoever has no signal (a ranging market, a
    neutral bias, a sentiment near zero) is not counted; with no signal at all r is unknown and changes nothing.
    """

    agreeing: int
    fresh: int
    multiplier: Decimal


def agreement(wanted: Direction, signals: Iterable[Signal], settings: AgreementSettings) -> Agreement:
    """How the signals (one of each source, all of the decision's symbol) stand to the `wanted` direction."""
    ways = [signal.direction for signal in signals]
    agreeing = ways.count(wanted)
    return Agreement(agreeing, len(ways), multiplier(agreeing, len(ways), settings))


def multiplier(agreeing: int, fresh: int, settings: AgreementSettings) -> Decimal:
    """1 between the two bounds, rising to 1 + `raise_max` where all agree, falling to 1 - `cut_max` where none does.

    Exact until its last step, which rounds down to six decimals. 1 without a signal.
    """
    if not 0 <= agreeing <= fresh:
        raise InvalidValueError(f"{agreeing} of {fresh} signals cannot agree")
    if not fresh:
        return _ONE
    ratio = Fraction(agreeing, fresh)
    high, low = Fraction(settings.agree_from), Fraction(settings.disagree_below)
    factor = Fraction(1)
    if ratio >= high:
        factor += (ratio - high) / (1 - high) * Fraction(settings.raise_max)
    elif ratio < low:
        factor -= (low - ratio) / low * Fraction(settings.cut_max)
    return divide(Decimal(factor.numerator), Decimal(factor.denominator)).quantize(_STEP, ROUND_FLOOR)


def combine_confidence(base: Decimal, boost: Decimal, factor: Decimal, settings: AgreementSettings) -> Decimal:
    """`base` with the larger of two effects: the vote's boost (added) or the agreement's factor (multiplied).

    They are never both applied: votes and analyses rest on the same evidence. Larger is what moves the confidence
    farther, up or down; of two that move it equally far, the one that lowers it. Never above `confidence_max`.
    Raises InvalidValueError for a base outside 0 to 1, a boost below 0, a factor of 0 or less, and what is not finite.
    """
    if not all(number.is_finite() for number in (base, boost, factor)):
        raise InvalidValueError("confidence, boost and factor must be finite numbers")
    if not _ZERO <= base <= _ONE or boost < 0 or factor <= 0:
        raise InvalidValueError(f"confidence {base}, boost {boost} and factor {factor} cannot be")
    by_factor = EXACT.multiply(base, EXACT.subtract(factor, _ONE))
    effect = boost if boost > abs(by_factor) else by_factor
    return min(EXACT.add(base, effect), settings.confidence_max)


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
class Resolution:
    """What is done, or what a model says is to be: with `modify` the trade keeps `size_share` of its size.

    `by` is `rules` or the model's name.
    """

    ruling: Ruling
    reason: str
    by: str = "rules"
    size_share: Decimal = _ONE


def find_conflicts(
    approved: RiskApproved,
    technical: Signal | None,
    sentiment: Signal | None,
    regime: Regime,
    settings: ConflictSettings,
) -> tuple[Conflict, ...]:
    """Every conflict over one approved proposal; none unless it opens a position.

    The signals are those of its symbol (None: there is none).
    """
    if approved.proposal.intent is not Intent.OPEN:
        return ()
    found = (
        _contradiction(technical, sentiment, settings),
        Conflict(ConflictKind.TRADE_IN_CHOPPY, "the market is choppy") if regime is Regime.CHOPPY else None,
        _risk_override(approved, settings),
    )
    return tuple(conflict for conflict in found if conflict is not None)


def _contradiction(technical: Signal | None, sentiment: Signal | None, settings: ConflictSettings) -> Conflict | None:
    if technical is None or sentiment is None or technical.direction is sentiment.direction:
        return None
    if abs(EXACT.subtract(technical.confidence, sentiment.confidence)) >= settings.confidence_gap:
        return None
    return Conflict(
        ConflictKind.TECHNICAL_AGAINST_SENTIMENT,
        f"technical analysis says {technical.direction} ({text(technical.confidence)}), "
        f"sentiment says {sentiment.direction} ({text(sentiment.confidence)})",
    )


def _risk_override(approved: RiskApproved, settings: ConflictSettings) -> Conflict | None:
    kept = Fraction(1)
    rules = []
    for clamp in approved.clamps:
        if clamp.rule in _MOMENT_RULES and clamp.before > 0:
            kept *= Fraction(clamp.after) / Fraction(clamp.before)
            rules.append(str(clamp.rule))
    if kept >= Fraction(settings.risk_cut):
        return None
    return Conflict(ConflictKind.RISK_OVERRIDE, f"risk leaves {float(kept):.0%} of the usual size ({', '.join(rules)})")


def resolve(conflicts: Iterable[Conflict], said: Resolution | None = None) -> Resolution:
    """What is done about them: what the model says, else the strictest of the rules. Without a conflict: proceed."""
    found = tuple(conflicts)
    if not found:
        return Resolution(Ruling.PROCEED, "no conflict")
    words = "; ".join(conflict.words for conflict in found)
    if said is None:
        rulings = [conflict.by_rules for conflict in found]
        return Resolution(Ruling.ABORT if Ruling.ABORT in rulings else Ruling.WAIT, words)
    return _as_said(said, words)


def _as_said(said: Resolution, words: str) -> Resolution:
    share = said.size_share
    match said.ruling:
        case Ruling.PROCEED | Ruling.WAIT | Ruling.ABORT:
            return replace(said, reason=f"{words}: {said.reason}", size_share=_ONE)
        case Ruling.MODIFY if share.is_finite() and _ZERO < share < _ONE:
            return replace(said, reason=f"{words}: {said.reason}")
        case Ruling.MODIFY:
            return Resolution(Ruling.ABORT, f"{words}: a modification may only reduce, not to {share}", said.by)
        case _:
            assert_never(said.ruling)


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
    """`decision_number` is the decision it came from, `reason` what it waits for; once it is dropped, why it is not
    made."""

    symbol: str
    decision_number: int
    answer: AgentAnswer
    reason: str
    since_ns: int
    until_ns: int


class WaitingTrades:
    """At most one for each symbol: a later decision speaks for the earlier one too.

    They are answers, not orders: each try goes through the whole cycle again, with the market, the portfolio and the
    limits of that moment.
    """

    def __init__(self, wait_max_ns: int = HOUR_NS) -> None:
        self._wait_max_ns = wait_max_ns
        self._trades: dict[str, WaitingTrade] = {}

    def wait(
        self, symbol: str, decision_number: int, answer: AgentAnswer, reason: str, now_ns: int
    ) -> WaitingTrade | None:
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

    def expire(self, now_ns: int) -> tuple[WaitingTrade, ...]:
        """Take out those whose time is up, in the order they came."""
        over = [trade for trade in self._trades.values() if trade.until_ns <= now_ns]
        for trade in over:
            del self._trades[trade.symbol]
        return tuple(replace(trade, reason=f"waited in vain: {trade.reason}") for trade in over)

    def to_try(self, symbol: str) -> WaitingTrade | None:
        """What waits for this symbol. It stays until `drop`: sent, aborted, or spoken for by a later decision."""
        return self._trades.get(symbol)

    def drop(self, symbol: str, reason: str) -> WaitingTrade | None:
        """It waits no longer."""
        trade = self._trades.pop(symbol, None)
        return None if trade is None else replace(trade, reason=reason)

    def drop_all(self, reason: str) -> tuple[WaitingTrade, ...]:
        """None waits any longer: a halt, an emergency."""
        over, self._trades = tuple(self._trades.values()), {}
        return tuple(replace(trade, reason=reason) for trade in over)

    def __len__(self) -> int:
        return len(self._trades)

    def register(self, parts: Parts) -> None:
        kind = tuple[WaitingTrade, ...]
        parts.single("decision.waiting_trades", kind, lambda: tuple(self._trades.values()), self._restore)

    def _restore(self, stored: tuple[WaitingTrade, ...]) -> None:
        self._trades = {trade.symbol: trade for trade in stored}
