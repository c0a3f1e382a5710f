"""Agents, their models and their tasks, as the API shows them."""

from __future__ import annotations

from pydantic import BaseModel

from triplegain.api.wire import Amount, Plain, Resource, Time
from triplegain.domain.agent_records import AnalysisRecord, VoteRecord
from triplegain.domain.records import DecisionRecord


class Task(BaseModel):
    """One task of the schedule. `runs` are all, `asked_for` those beside the grid among them.

    `missed` are moments that had passed before anybody looked, `skipped` those that passed without a run, by reason.
    `next_due` is null before the market's first message.
    """

    name: str
    interval_s: int
    runs: int
    asked_for: int
    missed: int
    skipped: dict[str, int]
    next_due: Time | None
    in_progress: bool


class Model(BaseModel):
    """A model that takes part, with the parts it plays."""

    name: str
    provider: str
    roles: list[str]


class Standing(BaseModel):
    """What counts for decisions on one market now; null where nobody has said anything fresh."""

    symbol: str
    regime: str
    technical: Plain | None
    sentiment: Plain | None


class Mind(BaseModel):
    """The agents of a running session. `level` is how much is left out because models fail, `failing` who and why.

    `trader` is the baseline that trades by itself, null without one.
    """

    level: str
    failing: str
    trader: str | None
    tasks: list[Task]
    models: list[Model]
    markets: list[Standing]


class Analysis(BaseModel):
    """One answer or abstention of an analyst. `model` is null for rules; an abstention's `reason` says why."""

    number: int
    time: Time
    task: str
    symbol: str
    model: str | None
    abstained: bool
    confidence: Amount | None
    answer: Plain
    reason: str
    snapshot_hash: str
    latency_ms: int


class Agents(Resource, Mind):
    """`latest` is what each analyst has stored last of each market, abstentions included."""

    session: str
    market_time: Time
    latest: list[Analysis]


class AnalysisPages(Resource):
    items: list[Analysis]
    next: int | None


class RunRequested(Resource):
    """The run is stored as wanted and takes place with the market's next move."""

    session: str
    task: str


class Vote(BaseModel):
    model: str
    model_id: str
    action: str
    confidence: Amount | None
    reasoning: str
    failure: str
    latency_ms: int
    cost_usd: Amount


class Decision(Resource):
    """`outcome` is sent, refused, held or abstained; `details` has levels, clamps and rules."""

    number: int
    time: Time
    symbol: str
    agent: str
    action: str
    confidence: Amount
    outcome: str
    reasons: list[str]
    client_order_id: str | None
    details: Plain
    votes: list[Vote]


class DecisionPages(Resource):
    items: list[Decision]
    next: int | None


class DecisionCounts(BaseModel):
    """Over the whole session; holding or abstaining again for the same reason counts, though it is stored once."""

    sent: int
    refused: int
    held: int
    abstained: int


class CoordinatorState(BaseModel):
    """`state` is running, paused or halted, `why` the reason in words, empty while running."""

    state: str
    why: str
    decisions: DecisionCounts


def analysis(record: AnalysisRecord) -> Analysis:
    return Analysis(
        number=record.number,
        time=record.time_ns,
        task=record.task,
        symbol=record.symbol,
        model=record.model,
        abstained=record.abstained,
        confidence=record.confidence,
        answer=record.answer,
        reason=record.reason,
        snapshot_hash=record.snapshot_hash,
        latency_ms=record.latency_ns // 10**6,
    )


def decision(record: DecisionRecord, votes: list[VoteRecord], mode: str) -> Decision:
    return Decision(
        mode=mode,
        number=record.number,
        time=record.time_ns,
        symbol=record.symbol,
        agent=record.agent,
        action=record.action,
        confidence=record.confidence,
        outcome=record.outcome,
        reasons=list(record.reasons),
        client_order_id=record.client_order_id,
        details=record.details,
        votes=[_vote(each) for each in votes],
    )


def _vote(record: VoteRecord) -> Vote:
    return Vote(
        model=record.model,
        model_id=record.model_id,
        action=record.action,
        confidence=record.confidence,
        reasoning=record.reasoning,
        failure=record.failure,
        latency_ms=record.latency_ns // 10**6,
        cost_usd=record.cost_usd,
    )
