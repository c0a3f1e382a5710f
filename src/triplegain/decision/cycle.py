"""One run of the cycle: answer -> proposal -> risk -> what to do, which is pure; and `DecisionExecutor`, which does it.

Whatever happens, a `DecisionRecord` comes out of it, with every reason for what was not traded.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeGuard, assert_never

import msgspec
from msgspec import structs

from triplegain.agents.answer import Abstain, Action, AgentAnswer, Answer, TargetWeights
from triplegain.decision.record import RecordLog
from triplegain.domain.ids import Family, Origin, own_id
from triplegain.domain.money import EXACT, ceil_to, divide, floor_to, text
from triplegain.domain.orders import Market, OrderRequest, Side
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.records import CloseReason, DecisionRecord, Outcome
from triplegain.domain.refusals import Refusal
from triplegain.domain.values import FrozenMapping
from triplegain.domain.verdict import Clamp, RiskApproved, RiskRefused, RiskVerdict
from triplegain.execution.order_manager import OpenPosition, OrderManager
from triplegain.risk.engine import RiskEngine
from triplegain.risk.views import MarketFigures, PortfolioView

#: Risk's verdict on a proposal, given the two pictures.
Judge = Callable[[TradeProposal, PortfolioView, MarketFigures], RiskVerdict]

#: The clamp an answer's own wish for less leaves behind.
WISH_CLAMP = "wanted_size"
_SHOWN = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """Send this: `OrderManager.open(approved, now_ns)`."""

    approved: RiskApproved


@dataclass(frozen=True, slots=True)
class Allocate:
    """Send this as inventory, no position: `OrderManager.allocate`."""

    approved: RiskApproved


@dataclass(frozen=True, slots=True)
class ClosePositions:
    """Take these off: `OrderManager.close(position_id, reason, now_ns)` for each; `share`: only so much of each, by
    `OrderManager.reduce`."""

    position_ids: tuple[str, ...]
    reason: CloseReason
    share: Decimal | None = None


#: None: nothing to send; the decision says why.
CycleAction = OpenTrade | Allocate | ClosePositions | None


@dataclass(frozen=True, slots=True)
class CycleOutcome:
    """`decision` to store, `action` to carry out."""

    decision: DecisionRecord
    action: CycleAction

    def sent_as(self, client_order_id: str) -> CycleOutcome:
        """The same outcome, its decision naming the order that came of it."""
        return replace(self, decision=structs.replace(self.decision, client_order_id=client_order_id))

    def not_sent(self, why: str) -> CycleOutcome:
        """The desk did not take it."""
        refused = structs.replace(self.decision, outcome=Outcome.REFUSED, reasons=(why,))
        return CycleOutcome(refused, None)


@dataclass(frozen=True, slots=True)
class CycleMoment:
    """Of which decision, when and on what. `number` counts the session's decisions."""

    number: int
    time_ns: int
    symbol: str
    agent: str


@dataclass(frozen=True, slots=True)
class CycleContext(CycleMoment):
    """What one cycle looks at. `positions` are those of the symbol.

    `free_base` are coins of the base asset that belong to no position and no order.
    """

    portfolio: PortfolioView
    market: MarketFigures
    positions: tuple[OpenPosition, ...]
    paused: bool = False
    regime: Regime = Regime.UNKNOWN
    free_base: Decimal = Decimal(0)

    @property
    def held(self) -> Decimal:
        """Coins the positions of the symbol hold, below zero of shorts."""
        return sum((position.signed for position in self.positions), Decimal(0))

    @property
    def mark(self) -> Decimal | None:
        """The middle of bid and ask, else the last trade; None where no price is fresh."""
        market = self.market
        if market.stale:
            return None
        if market.bid is not None and market.ask is not None:
            return divide(market.bid + market.ask, Decimal(2))
        return market.last

    @property
    def round_trip_cost(self) -> Decimal:
        """Of going in and out again at once, as a fraction of the price: taker fees of both sides and the spread."""
        market, mark = self.market, self.mark
        spread = Decimal(0)
        if market.bid is not None and market.ask is not None and mark:
            spread = max(spread, divide(market.ask - market.bid, mark))
        return 2 * market.taker_fee + spread


def run_cycle(answer: Answer, situation: CycleContext, judge: Judge) -> CycleOutcome:
    """What comes of one answer. Abstain and hold change nothing; exits are decided even while paused."""
    if isinstance(answer, Abstain):
        return _stays(answer, situation)
    if isinstance(answer, TargetWeights):
        return _divide(answer, situation, judge)
    match answer.action:
        case Action.HOLD:
            return _stays(answer, situation)
        case Action.BUY | Action.SELL:
            side = opening_side(answer, situation)
            if side is not None:
                return _open(answer, situation, judge, side)
            return _close(answer, situation, judge, Side.BUY if answer.action is Action.SELL else Side.SELL)
        case Action.CLOSE_LONG:
            return _close(answer, situation, judge, Side.BUY)
        case Action.CLOSE_SHORT:
            return _close(answer, situation, judge, Side.SELL)
        case _:
            assert_never(answer.action)


def changes_nothing(answer: Answer) -> TypeGuard[AgentAnswer | Abstain]:
    """Whatever the account and the market are like."""
    return isinstance(answer, Abstain) or (isinstance(answer, AgentAnswer) and answer.action is Action.HOLD)


def _stays(answer: AgentAnswer | Abstain, moment: CycleMoment) -> CycleOutcome:
    if isinstance(answer, Abstain):
        return _outcome(moment, ("abstain", Decimal(0)), Outcome.ABSTAINED, (answer.reason,))
    return _outcome(moment, answer, Outcome.HELD, (answer.reasoning,))


def opening_side(answer: AgentAnswer, situation: CycleContext) -> Side | None:
    """On which side an answer would open something: what is held the other way goes first, and a short only exists
    where the venue lends coins for it."""
    held = {position.side for position in situation.positions}
    match answer.action:
        case Action.BUY:
            return None if Side.SELL in held else Side.BUY
        case Action.SELL:
            return None if Side.BUY in held or not situation.market.short_leverages else Side.SELL
        case Action.HOLD | Action.CLOSE_LONG | Action.CLOSE_SHORT:
            return None
        case _:
            assert_never(answer.action)


def entry_levels(
    answer: AgentAnswer, market: MarketFigures, side: Side = Side.BUY
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Entry, stop and target on the tick: the stop is never nearer than asked, the target never nearer."""
    near = market.ask if side is Side.BUY else market.bid
    entry = near if near is not None else market.last
    tick = market.instrument.tick
    if entry is None:
        return None, None, None
    stop = target = None
    sign, (beyond, before) = (1, (ceil_to, floor_to)) if side is Side.BUY else (-1, (floor_to, ceil_to))
    if answer.stop_fraction is not None:
        stop = before(EXACT.multiply(entry, 1 - sign * answer.stop_fraction), tick)
    if answer.target_fraction is not None:
        target = beyond(EXACT.multiply(entry, 1 + sign * answer.target_fraction), tick)
    return entry, stop, target


def _open(answer: AgentAnswer, situation: CycleContext, judge: Judge, side: Side) -> CycleOutcome:
    if situation.paused:
        return _outcome(situation, answer, Outcome.REFUSED, ("trading is paused: no new positions",))
    entry, stop, target = entry_levels(answer, situation.market, side)
    proposal = TradeProposal(
        symbol=situation.symbol,
        side=side,
        intent=Intent.OPEN,
        terms=Market(),
        entry=entry,
        stop=stop,
        target=target,
        leverage=1 if side is Side.BUY else min(situation.market.short_leverages),
        confidence=answer.confidence,
        regime=situation.regime,
    )
    verdict = judge(proposal, situation.portfolio, situation.market)
    if isinstance(verdict, RiskApproved) and answer.size_fraction is not None:
        verdict = _as_wished(verdict, answer.size_fraction, situation, judge)
    if isinstance(verdict, RiskRefused):
        return _outcome(situation, answer, Outcome.REFUSED, verdict.reasons, refused_details(verdict))
    return _outcome(situation, answer, Outcome.SENT, (answer.reasoning,), approved_details(verdict), OpenTrade(verdict))


def _as_wished(approved: RiskApproved, fraction: Decimal, situation: CycleContext, judge: Judge) -> RiskVerdict:
    """The share of the allowed size that was asked for, judged again: what is left may be too little."""
    if not 0 < fraction < 1:
        return approved
    wished = floor_to(EXACT.multiply(approved.quantity, fraction), situation.market.instrument.lot)
    if wished <= 0:
        wished = situation.market.instrument.lot
    verdict = judge(replace(approved.proposal, quantity=wished), situation.portfolio, situation.market)
    clamp = Clamp(WISH_CLAMP, approved.quantity, wished)
    return replace(verdict, clamps=(*approved.clamps, clamp, *verdict.clamps))


def _divide(answer: TargetWeights, situation: CycleContext, judge: Judge) -> CycleOutcome:
    """Buy or sell what is missing from, or too much for, the wanted share of equity."""
    market, portfolio, mark = situation.market, situation.portfolio, situation.mark
    weight = answer.weights.get(situation.symbol.partition("/")[0])
    word = Intent.REBALANCE.value

    def without(outcome: Outcome, *reasons: str) -> CycleOutcome:
        return _outcome(situation, (word, Decimal(0)), outcome, reasons)

    if situation.paused:
        return without(Outcome.REFUSED, "trading is paused: nothing is divided anew")
    if weight is None or not 0 <= weight <= 1:
        return without(Outcome.REFUSED, f"no weight from 0 to 1 for {situation.symbol}")
    if portfolio.equity is None or mark is None or not market.quote_usd:
        return without(Outcome.REFUSED, "equity or price is unknown: an asset has no fresh price")
    missing = weight * portfolio.equity - situation.free_base * mark * market.quote_usd
    if abs(missing) <= answer.band * portfolio.equity:
        return without(Outcome.HELD, f"{situation.symbol.partition('/')[0]} is within its band: {answer.reason}")
    side = Side.BUY if missing > 0 else Side.SELL
    price = (market.ask if side is Side.BUY else market.bid) or mark
    quantity = floor_to(divide(abs(missing), price * market.quote_usd), market.instrument.lot)
    if quantity < market.instrument.quantity_min:
        return without(Outcome.HELD, f"less than the exchange trades is missing: {answer.reason}")
    proposal = TradeProposal(situation.symbol, side, Intent.REBALANCE, Market(), quantity=quantity, entry=price)
    verdict = judge(proposal, replace(portfolio, position_quantity=situation.free_base), market)
    if isinstance(verdict, RiskRefused):
        return _outcome(situation, (word, Decimal(1)), Outcome.REFUSED, verdict.reasons, refused_details(verdict))
    details = approved_details(verdict)
    return _outcome(situation, (word, Decimal(1)), Outcome.SENT, (answer.reason,), details, Allocate(verdict))


def _close(answer: AgentAnswer, situation: CycleContext, judge: Judge, entered: Side) -> CycleOutcome:
    """Take off what was entered on that side. A purchase takes off so much of a short as it wanted to buy."""
    theirs = tuple(position for position in situation.positions if position.side is entered)
    staying = tuple(position for position in theirs if not position.leaving and not position.by_hand)
    if not staying:
        return _outcome(situation, answer, Outcome.REFUSED, (_why_nothing_closes(situation, entered, theirs),))
    # An entry that has not filled yet holds no coins: taking it off is a cancel, and risk has nothing to say to it.
    held = sum((position.quantity for position in staying), Decimal(0))
    if held > 0:
        proposal = TradeProposal(situation.symbol, entered.opposite, Intent.CLOSE, Market(), quantity=held)
        signed = held if entered is Side.BUY else EXACT.minus(held)
        portfolio = replace(situation.portfolio, position_quantity=signed)
        verdict = judge(proposal, portfolio, situation.market)
        if isinstance(verdict, RiskRefused):
            return _outcome(situation, answer, Outcome.REFUSED, verdict.reasons, refused_details(verdict))
    ids = tuple(position.position_id for position in staying)
    share = answer.size_fraction if answer.action is Action.BUY else None
    share = share if share is not None and 0 < share < 1 else None
    details = {"closes": list(ids)} | ({} if share is None else {"share": text(share)})
    action = ClosePositions(ids, CloseReason.SIGNAL, share)
    return _outcome(situation, answer, Outcome.SENT, (answer.reasoning,), details, action)


def _why_nothing_closes(situation: CycleContext, entered: Side, theirs: tuple[OpenPosition, ...]) -> str:
    market = situation.market
    if not theirs and entered is Side.SELL:
        return "no short to close" if market.short_leverages else "no short to close; spot has no shorts"
    if not theirs:
        return "no position to sell" if market.short_leverages else market.no_shorts
    if any(position.by_hand for position in theirs):
        return "its position was opened by hand: only its owner, its stop, target or time limit closes it"
    return "its positions are already being closed"


def approved_details(verdict: RiskApproved) -> Mapping[str, Any]:
    proposal = verdict.proposal
    levels = {"entry": proposal.entry, "stop": proposal.stop, "target": proposal.target, "quantity": verdict.quantity}
    lent = {} if proposal.leverage == 1 else {"side": proposal.side.value, "leverage": proposal.leverage}
    return {
        **{name: text(value) for name, value in levels.items() if value is not None},
        **lent,
        "clamps": _clamps(verdict),
        "warnings": [warning.words for warning in verdict.warnings],
    }


def refused_details(*verdicts: RiskRefused) -> Mapping[str, Any]:
    """The rules behind the reasons, and what had been cut before nothing was left."""
    return {"rules": [rule.value for each in verdicts for rule in each.rules], "clamps": _clamps(*verdicts)}


def _clamps(*verdicts: RiskVerdict) -> list[dict[str, str]]:
    """Rounded down for the reader: sizes on the way are quotients of any length, what is sent is on the lot."""
    return [
        {"rule": str(c.rule), "from": text(floor_to(c.before, _SHOWN)), "to": text(floor_to(c.after, _SHOWN))}
        for verdict in verdicts
        for c in verdict.clamps
    ]


def _outcome(
    moment: CycleMoment,
    answer: AgentAnswer | tuple[str, Decimal],
    outcome: Outcome,
    reasons: tuple[str, ...],
    details: Mapping[str, Any] = FrozenMapping({}),
    action: CycleAction = None,
) -> CycleOutcome:
    """Of an answer, or of a word and its confidence."""
    word, confidence = answer if isinstance(answer, tuple) else (answer.action.value, answer.confidence)
    decision = DecisionRecord(
        number=moment.number,
        time_ns=moment.time_ns,
        symbol=moment.symbol,
        agent=moment.agent,
        action=word,
        confidence=confidence,
        outcome=outcome,
        reasons=reasons,
        details=details,
    )
    return CycleOutcome(decision, action)


_LAST_KEPT = 8
_NUMBER = re.compile(r"\d+")


@lru_cache(maxsize=256)
def _without_counts(words: str) -> str:
    """A count in a reason is progress, not another reason. Most candles say what the one before said."""
    return _NUMBER.sub("#", words)


class ExecutorState(msgspec.Struct):
    """`number` is the last decision's. `last_words` by symbol: what was told last, so that it is not told again.

    `counts` are runs of the cycle by how they ended, over the whole session, `refused_by_risk` how many risk refused.
    """

    number: int
    last_words: dict[str, str]
    counts: dict[Outcome, int]
    refused_by_risk: int


@dataclass(eq=False)
class DecisionExecutor:
    """Holding or abstaining again for the same reason is counted, not stored again: it is not news."""

    _desk: OrderManager
    _risk: RiskEngine
    _record: RecordLog

    def __post_init__(self) -> None:
        self.state = ExecutorState(0, {}, dict.fromkeys(Outcome, 0), 0)
        #: For whoever looks: the last decisions of this run that led to something.
        self.last: deque[DecisionRecord] = deque(maxlen=_LAST_KEPT)

    @property
    def next_number(self) -> int:
        """The number of the next decision that is put down."""
        return self.state.number + 1

    def plan(self, answer: Answer, situation: CycleContext) -> CycleOutcome:
        """What would come of it now. Nothing is sent and nothing put down."""

        def judge(proposal: TradeProposal, portfolio: PortfolioView, market: MarketFigures) -> RiskVerdict:
            return self._risk.assess(proposal, portfolio, market, situation.time_ns)

        return run_cycle(answer, situation, judge)

    def stay(self, answer: AgentAnswer | Abstain, moment: CycleMoment) -> DecisionRecord | None:
        """An answer that changes nothing, for which nobody needs to look at anything."""
        return self.note(_stays(answer, moment).decision, {})

    def carry_out(
        self,
        outcome: CycleOutcome,
        details: Mapping[str, Any] | None = None,
        origin: Origin = Origin.STRATEGY,
    ) -> DecisionRecord | None:
        """Do what it says. Returns the decision where it was put down; with `details` it always is."""
        now_ns = outcome.decision.time_ns
        match outcome.action:
            case OpenTrade(approved):
                outcome = outcome.sent_as(self._desk.open(approved, now_ns, origin).client_order_id)
                self._risk.on_opened(approved.proposal.symbol, now_ns)
            case Allocate(approved):
                outcome = self._allocate(outcome, approved)
            case ClosePositions(position_ids, reason, None):
                for position_id in position_ids:
                    self._desk.close(position_id, reason, now_ns)
            case ClosePositions(position_ids, reason, share) if share is not None:
                begun = [self._desk.reduce(position_id, share, reason, now_ns) for position_id in position_ids]
                if not any(begun):
                    outcome = outcome.not_sent("none of it can be taken off in part now")
            case None:
                pass
        return self.note(outcome.decision, details or {})

    def _allocate(self, outcome: CycleOutcome, approved: RiskApproved) -> CycleOutcome:
        proposal, name = approved.proposal, own_id(Family.WEIGHT, self.next_number)
        request = OrderRequest(
            name,
            proposal.symbol,
            proposal.side,
            approved.quantity,
            proposal.terms,
            purpose=proposal.intent.value,
            origin=Origin.STRATEGY,
        )
        sent = self._desk.allocate(request)
        if isinstance(sent, Refusal):
            return outcome.not_sent(sent.reason)
        return outcome.sent_as(name)

    def put_aside(
        self, outcome: CycleOutcome, word: Outcome, reason: str, details: Mapping[str, Any] | None = None
    ) -> DecisionRecord | None:
        """Put down that it is not done: `word` is held or refused."""
        decision = structs.replace(outcome.decision, outcome=word, reasons=(reason,), client_order_id=None)
        return self.note(decision, details or {})

    def note(self, decision: DecisionRecord, details: Mapping[str, Any]) -> DecisionRecord | None:
        """Count it, and put it down if it is news."""
        state, outcome = self.state, decision.outcome
        state.counts[outcome] = state.counts.get(outcome, 0) + 1
        # Not where it was never put to risk, or where the order manager did not take it.
        state.refused_by_risk += outcome is Outcome.REFUSED and ("rules" in decision.details or "rules" in details)
        words = _without_counts(f"{outcome}: {'; '.join(decision.reasons)}")
        is_quiet = outcome in (Outcome.HELD, Outcome.ABSTAINED) and not details
        if is_quiet and state.last_words.get(decision.symbol) == words:
            return None
        state.last_words[decision.symbol] = words
        noted = structs.replace(decision, number=self.next_number, details={**decision.details, **details})
        state.number = noted.number
        self._record.put(noted)
        if noted.outcome in (Outcome.SENT, Outcome.REFUSED) or details:
            self.last.append(noted)
        return noted

    def register(self, parts: Parts) -> None:
        parts.held("decision.executor", ExecutorState, self)
