"""Decisions by models: who is asked, how votes are counted, what is done about conflicts, how votes turn out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol, assert_never

import msgspec

from triplegain.agents.answer import Abstain, AgentAnswer, Answer
from triplegain.agents.conflict import CONFLICT, ConflictAnswer, ConflictKind, Ruling, conflict_prompt, remaining_share
from triplegain.agents.consensus import Consensus, consensus
from triplegain.agents.decision import DECISION, VoteAnswer, decision_prompt, echo_of
from triplegain.agents.decision_context import DecisionContext, Held
from triplegain.agents.sentiment import SENTIMENT, with_sentiment
from triplegain.agents.technical import TECHNICAL
from triplegain.decision.conflicts import (
    Agreement,
    Conflict,
    Direction,
    Resolution,
    WaitingTrade,
    WaitingTrades,
    agreement,
    combine_confidence,
    find_conflicts,
    reduced,
    resolve,
)
from triplegain.decision.cycle import (
    CycleContext,
    CycleOutcome,
    DecisionExecutor,
    OpenTrade,
    opening_side,
    refused_details,
)
from triplegain.decision.outcomes import OutcomeBook
from triplegain.decision.record import RecordLog, analysis_record, answered
from triplegain.decision.rounds import FinishedRound, LateAnswer, Round
from triplegain.decision.settings import DecisionSettings
from triplegain.decision.signals import LatestSignals
from triplegain.domain.agent_records import VoteRecord
from triplegain.domain.ids import Origin
from triplegain.domain.orders import Side
from triplegain.domain.parts import Parts
from triplegain.domain.records import Outcome
from triplegain.domain.verdict import RiskRefused
from triplegain.llm.reply import ModelAnswer, ModelReply
from triplegain.market.snapshot.compact import compact
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot


def conflict_reply(finished: FinishedRound, record: RecordLog, now_ns: int) -> Resolution | None:
    """What the asked model ruled; None if it did not."""
    asked = finished.round
    ((model, reply),) = finished.replies.items()
    answer = answered(ConflictAnswer, reply)
    told = (model, asked.snapshot_hash, asked.request_id(model), reply.usage.latency_ns)
    record.put(analysis_record(asked.kind, asked.subject, answer, now_ns, *told))
    if isinstance(answer, Abstain):
        return None
    return Resolution(answer.resolution, answer.reasoning, model, remaining_share(answer))


#: The agent's name in the record of a decision.
MODELS = "models"


class Told(msgspec.Struct, frozen=True):
    """What voters were told of their position: a vote to end something opens nothing where that is gone meanwhile."""

    held: Held
    may_short: bool

    @property
    def side(self) -> Side | None:
        match self.held:
            case Held.LONG:
                return Side.BUY
            case Held.SHORT:
                return Side.SELL
            case Held.FLAT:
                return None
            case _:
                assert_never(self.held)

    def offers(self, side: Side) -> bool:
        """Whether a vote could mean to open on that side."""
        match side:
            case Side.BUY:
                return self.held is not Held.SHORT
            case Side.SELL:
                return self.held is Held.FLAT and self.may_short
            case _:
                assert_never(side)


class AccountView(Protocol):
    """What voting sees and uses of its session."""

    @property
    def decisions(self) -> DecisionExecutor: ...

    def snapshot(self, symbol: str) -> Snapshot | NoSnapshot: ...

    def look(self, symbol: str, agent: str) -> CycleContext:
        """The pictures of now."""
        ...

    def context(self, situation: CycleContext) -> DecisionContext:
        """What voters may know of the account."""
        ...


@dataclass(eq=False)
class Voting:
    """One session's. A conflict's question is a round that `tally` returns, and what is said to it comes to `ruled`."""

    _settings: DecisionSettings
    _signals: LatestSignals
    _record: RecordLog
    _account: AccountView

    def __post_init__(self) -> None:
        self.outcomes = OutcomeBook(self._settings.outcomes)
        self.waiting = WaitingTrades(self._settings.conflicts.wait_max_ns)
        #: By symbol: the number of the last decision the models took.
        self._decided: dict[str, int] = {}

    def decision_round(self, round_id: str, symbol: str, seen: Snapshot, now_ns: int) -> Round:
        """One question to every model that votes, on one snapshot. Some may read less of it: the hash is the same."""
        context = self._account.context(self._account.look(symbol, MODELS))
        assigned = self._settings.assigned
        budgets = {model: assigned.token_budget(model) for model in assigned.voters}
        rendered = {budget: decision_prompt(seen, context, budget) for budget in set(budgets.values())}
        return Round(
            round_id=round_id,
            kind=DECISION.name,
            subject=symbol,
            prompts={model: rendered[budget] for model, budget in budgets.items()},
            asked_at_ns=now_ns,
            deadline_ns=now_ns + self._settings.vote_timeout_ns,
            echo=echo_of(seen),
            snapshot_hash=seen.hash,
            price=seen.price.mark,
            notes={"told": msgspec.to_builtins(Told(context.held, context.may_short))},
        )

    def could_not_ask(self, symbol: str, reason: str) -> None:
        """There is nothing to vote on, or nobody who can read it."""
        outcome, _ = self._plan(Abstain(reason), symbol)
        self._account.decisions.carry_out(outcome)

    def tally(self, finished: FinishedRound, now_ns: int, ask_about: str | None) -> Round | None:
        """Count the votes and act on them. `ask_about` names the round for a conflict, None where nobody is asked.

        Returns that round where there is a conflict to ask about.
        """
        asked, symbol = finished.round, finished.round.subject
        votes = {model: answered(VoteAnswer, reply) for model, reply in finished.replies.items()}
        counted = consensus(votes, len(votes), self._settings.consensus)
        situation = self._account.look(symbol, MODELS)
        told = _told(asked)
        self._put_down(asked, finished.replies, situation, told, now_ns)
        answer, weighed = self._weigh(replace(counted, answer=_as_told(counted.answer, told, situation)), situation)
        details = {**_details(asked, counted, votes), **weighed}
        self._decided[symbol] = self._account.decisions.next_number
        self._drop(self.waiting.drop(symbol, "a later decision has taken its place"))
        return self._act(answer, situation, details, ask_about)

    def late(self, late: LateAnswer, now_ns: int) -> None:
        """A vote on a decision that is taken: put down, and nothing else."""
        if late.round.kind == DECISION.name:
            self._vote_record(late.round, late.model, late.answer, None, now_ns)

    def _put_down(
        self, asked: Round, replies: Mapping[str, ModelReply], situation: CycleContext, told: Told, now_ns: int
    ) -> None:
        cost = situation.round_trip_cost
        number = self._account.decisions.next_number
        for model, reply in replies.items():
            record = self._vote_record(asked, model, reply, number, now_ns)
            self.outcomes.add(record, told.side, cost, told.may_short)

    def _vote_record(
        self, asked: Round, model: str, reply: ModelReply, decision_number: int | None, now_ns: int
    ) -> VoteRecord:
        vote = answered(VoteAnswer, reply)
        usage = reply.usage
        given = isinstance(vote, VoteAnswer)
        return self._record.put(
            VoteRecord(
                number=0,
                time_ns=now_ns,
                decision_number=decision_number,
                symbol=asked.subject,
                model=model,
                model_id=reply.model_id,
                action=vote.action.value if isinstance(vote, VoteAnswer) else "abstain",
                confidence=Decimal(vote.confidence_pct) / 100 if isinstance(vote, VoteAnswer) else None,
                price=asked.price or Decimal(0),
                stop_bps=vote.stop_bps if isinstance(vote, VoteAnswer) else None,
                target_bps=vote.target_bps if isinstance(vote, VoteAnswer) else None,
                reasoning=vote.reasoning if isinstance(vote, VoteAnswer) else vote.reason,
                failure="" if given or isinstance(reply, ModelAnswer) else reply.kind.value,
                snapshot_hash=asked.snapshot_hash,
                request_id=asked.request_id(model),
                latency_ns=usage.latency_ns,
                tokens_in=usage.tokens_in,
                tokens_out=usage.tokens_out,
                cost_usd=usage.cost_usd,
            )
        )

    def _weigh(self, counted: Consensus, situation: CycleContext) -> tuple[Answer, dict[str, Any]]:
        """The agreed answer with what the analysts make of it: its confidence, and a smaller buy in bad times."""
        answer, symbol, now_ns = counted.answer, situation.symbol, situation.time_ns
        if not isinstance(answer, AgentAnswer) or not counted.agreeing:
            return answer, {}
        if (side := opening_side(answer, situation)) is None:
            return answer, {}
        agreed = self._agreement(symbol, side, now_ns)
        confidence = combine_confidence(
            counted.mean_confidence, counted.boost, agreed.multiplier, self._settings.agreement
        )
        weighed: Answer = replace(answer, confidence=confidence)
        if side is Side.BUY:
            sentiment = self._signals.sentiment(symbol.partition("/")[0], now_ns)
            weighed = with_sentiment(replace(answer, confidence=confidence), sentiment, self._settings.sentiment)
        found = {"views": [agreed.agreeing, agreed.fresh], "multiplier": f"{agreed.multiplier:f}"}
        return weighed, {"agreement": found}

    def _agreement(self, symbol: str, side: Side, now_ns: int) -> Agreement:
        """How the analysts stand to an opening. What comes from text of strangers may lower confidence; what it would
        raise is left out."""
        signals, settings = self._signals.latest(symbol, now_ns).values(), self._settings.agreement
        way = Direction.UP if side is Side.BUY else Direction.DOWN
        own = agreement(way, (signal for signal in signals if not signal.of_strangers), settings)
        return min(own, agreement(way, signals, settings), key=lambda each: each.multiplier)

    def _act(
        self, answer: Answer, situation: CycleContext, details: dict[str, Any], ask_about: str | None
    ) -> Round | None:
        decisions = self._account.decisions
        outcome = decisions.plan(answer, situation)
        conflicts = self._conflicts(outcome, situation)
        if not conflicts or not isinstance(answer, AgentAnswer):
            decisions.carry_out(outcome, details, Origin.AGENT)
            return None
        details["conflicts"] = [conflict.words for conflict in conflicts]
        question = None if ask_about is None else self._question(ask_about, answer, conflicts, situation)
        if question is None:
            self._rule(outcome, answer, resolve(conflicts), situation, details)
            return None
        noted = decisions.put_aside(
            outcome, Outcome.HELD, f"a conflict is being resolved: {details['conflicts'][0]}", details
        )
        number = 0 if noted is None else noted.number
        return replace(question, notes={**question.notes, "decision": number})

    def _conflicts(self, outcome: CycleOutcome, situation: CycleContext) -> tuple[Conflict, ...]:
        if not isinstance(outcome.action, OpenTrade):
            return ()
        signals = self._signals.latest(situation.symbol, situation.time_ns)
        return find_conflicts(
            outcome.action.approved,
            signals.get(TECHNICAL.name),
            signals.get(SENTIMENT.name),
            situation.regime,
            self._settings.conflicts,
        )

    def _question(
        self,
        round_id: str,
        answer: AgentAnswer,
        conflicts: tuple[Conflict, ...],
        situation: CycleContext,
    ) -> Round | None:
        symbol, now_ns = situation.symbol, situation.time_ns
        model = next(iter(self._settings.assigned.models_of(CONFLICT)), None)
        seen = self._account.snapshot(symbol)
        if model is None or isinstance(seen, NoSnapshot):
            return None
        rendered = compact(seen, self._settings.assigned.market_budget(model))
        prompt = conflict_prompt(conflicts[0].kind, answer, seen, rendered, self._account.context(situation))
        return Round(
            round_id=round_id,
            kind=CONFLICT.name,
            subject=symbol,
            prompts={model: prompt},
            asked_at_ns=now_ns,
            deadline_ns=now_ns + self._settings.conflicts.timeout_ns,
            snapshot_hash=seen.hash,
            price=seen.price.mark,
            notes={"answer": msgspec.to_builtins(answer), "conflict": [conflicts[0].kind.value, conflicts[0].words]},
        )

    def ruled(self, finished: FinishedRound, now_ns: int) -> None:
        """A model has said what to do about a conflict, or has not. The trade is judged anew, as things are now."""
        asked = finished.round
        answer = msgspec.convert(asked.notes["answer"], AgentAnswer)
        outcome, situation = self._plan_opening(answer, asked.subject)
        conflicts = self._conflicts(outcome, situation)
        said = conflict_reply(finished, self._record, now_ns)
        if said is not None and not conflicts:
            # It was asked about this trade, and is heard even if the conflict has passed meanwhile.
            kind, words = asked.notes["conflict"]
            conflicts = (Conflict(ConflictKind(kind), words),)
        details: dict[str, Any] = {"of_decision": asked.notes["decision"], "snapshot": asked.snapshot_hash}
        if self._decided.get(asked.subject, 0) > asked.notes["decision"]:
            self._account.decisions.put_aside(outcome, Outcome.HELD, "a later decision has taken its place", details)
            return
        self._rule(outcome, answer, resolve(conflicts, said), situation, details)

    def retry(self, symbol: str) -> None:
        """A new analysis is there: perhaps what a trade was told to wait for has passed."""
        waiting = self.waiting.to_try(symbol)
        if waiting is None:
            return
        outcome, situation = self._plan_opening(waiting.answer, symbol)
        resolution = resolve(self._conflicts(outcome, situation))
        if resolution.ruling is Ruling.WAIT:
            return
        self.waiting.drop(symbol, "tried again")
        details = {"of_decision": waiting.decision_number, "waited_for": waiting.reason}
        self._rule(outcome, waiting.answer, resolution, situation, details)

    def expire(self, now_ns: int) -> None:
        """Trades that have waited long enough are given up."""
        for dropped in self.waiting.expire(now_ns):
            self._drop(dropped)

    def give_up(self, reason: str) -> None:
        """Trades that wait are not made any more."""
        for dropped in self.waiting.drop_all(reason):
            self._drop(dropped)

    def _drop(self, trade: WaitingTrade | None) -> None:
        if trade is None:
            return
        outcome, _ = self._plan(trade.answer, trade.symbol)
        details = {"of_decision": trade.decision_number}
        self._account.decisions.put_aside(outcome, Outcome.HELD, trade.reason, details)

    def _plan(self, answer: Answer, symbol: str) -> tuple[CycleOutcome, CycleContext]:
        """What would come of an answer now."""
        situation = self._account.look(symbol, MODELS)
        return self._account.decisions.plan(answer, situation), situation

    def _plan_opening(self, answer: AgentAnswer, symbol: str) -> tuple[CycleOutcome, CycleContext]:
        """The same of an answer that was to open something: it ends nothing that has come meanwhile."""
        situation = self._account.look(symbol, MODELS)
        if opening_side(answer, situation) is None:
            return self._plan(Abstain(f"what the {answer.action} was to open cannot be opened any more"), symbol)
        return self._account.decisions.plan(answer, situation), situation

    def _rule(
        self,
        outcome: CycleOutcome,
        answer: AgentAnswer,
        resolution: Resolution,
        situation: CycleContext,
        details: dict[str, Any],
    ) -> None:
        decisions = self._account.decisions
        details["resolution"] = {"by": resolution.by, "ruling": resolution.ruling.value, "reason": resolution.reason}
        match resolution.ruling:
            case Ruling.WAIT:
                noted = decisions.put_aside(outcome, Outcome.HELD, f"waits: {resolution.reason}", details)
                number = decisions.next_number - 1 if noted is None else noted.number
                self._drop(self.waiting.wait(situation.symbol, number, answer, resolution.reason, situation.time_ns))
            case Ruling.ABORT:
                decisions.put_aside(outcome, Outcome.REFUSED, f"given up: {resolution.reason}", details)
            case Ruling.PROCEED | Ruling.MODIFY:
                self._proceed(outcome, resolution, situation, details)

    def _proceed(
        self, outcome: CycleOutcome, resolution: Resolution, situation: CycleContext, details: dict[str, Any]
    ) -> None:
        decisions = self._account.decisions
        if isinstance(outcome.action, OpenTrade):
            left = reduced(outcome.action.approved, resolution, situation.market.instrument)
            if isinstance(left, RiskRefused):
                decisions.put_aside(outcome, Outcome.REFUSED, left.reasons[0], {**details, **refused_details(left)})
                return
            outcome = replace(outcome, action=OpenTrade(left))
        decisions.carry_out(outcome, details, Origin.AGENT)

    def score(self, now_ns: int) -> None:
        """Votes whose hour has come are held against the market."""
        for record in self.outcomes.score(now_ns, lambda symbol: self._account.look(symbol, MODELS).mark):
            self._record.put(record)

    def register(self, parts: Parts) -> None:
        self.outcomes.register(parts)
        self.waiting.register(parts)
        parts.single("decision.decided", dict[str, int], lambda: self._decided, self._decided.update)


def _told(asked: Round) -> Told:
    """A round that was asked before this was noted was asked of somebody flat, without shorts."""
    noted = asked.notes.get("told")
    return Told(Held.FLAT, may_short=False) if noted is None else msgspec.convert(noted, Told)


def _as_told(answer: Answer, told: Told, situation: CycleContext) -> Answer:
    """What voters agreed on, by what they were shown: who meant to end what is gone by now opens nothing."""
    if not isinstance(answer, AgentAnswer):
        return answer
    side = opening_side(answer, situation)
    if side is None or told.offers(side):
        return answer
    return Abstain(f"voters were shown {told.held.value}: their {answer.action.value} was to open nothing")


def _details(asked: Round, counted: Consensus, votes: Mapping[str, VoteAnswer | Abstain]) -> dict[str, Any]:
    said = {
        model: f"{vote.action.value} {vote.confidence_pct}"
        if isinstance(vote, VoteAnswer)
        else f"abstain ({vote.reason})"
        for model, vote in votes.items()
    }
    return {"round": asked.round_id, "snapshot": asked.snapshot_hash, "consensus": counted.why, "votes": said}
