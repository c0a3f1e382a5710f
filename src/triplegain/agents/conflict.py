"""What a model is asked where agents contradict each other or risk overruled them, and what it may answer."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, assert_never

from pydantic import Field, model_validator

from triplegain.agents.answer import AgentAnswer
from triplegain.agents.decision_context import DecisionContext, context_json
from triplegain.agents.spec import AgentSpec, Flow
from triplegain.agents.typed_answer import Percent, Reasoning, TypedAnswer, answer_places, filled, whole
from triplegain.llm.reply import Prompt
from triplegain.market.snapshot.snapshot import Snapshot


class ConflictKind(StrEnum):
    TECHNICAL_AGAINST_SENTIMENT = "technical_against_sentiment"
    TRADE_IN_CHOPPY = "trade_in_choppy"
    RISK_OVERRIDE = "risk_override"


class Ruling(StrEnum):
    PROCEED = "proceed"
    WAIT = "wait"
    MODIFY = "modify"
    ABORT = "abort"


class ConflictAnswer(TypedAnswer):
    """How to go on with a decided trade. Nothing in it can make the trade larger or another one."""

    resolution: Ruling
    size_pct: Annotated[int, whole(1, 100)] = Field(
        description="modify: the share of the trade that remains, below 100"
    )
    confidence_pct: Percent
    reasoning: Reasoning

    @model_validator(mode="after")
    def _modify_reduces(self) -> ConflictAnswer:
        if self.resolution is Ruling.MODIFY and self.size_pct == 100:
            raise ValueError("modify needs a size_pct below 100: it may only reduce")
        return self


def remaining_share(answer: ConflictAnswer) -> Decimal:
    """What is left of the size, 0..1: all, the named share, or nothing now (wait) and nothing at all (abort)."""
    match answer.resolution:
        case Ruling.PROCEED:
            return Decimal(1)
        case Ruling.MODIFY:
            return Decimal(answer.size_pct) / 100
        case Ruling.WAIT | Ruling.ABORT:
            return Decimal(0)
        case _:
            assert_never(answer.resolution)


_SAID = {
    ConflictKind.TECHNICAL_AGAINST_SENTIMENT: "technical analysis and sentiment point in opposite directions",
    ConflictKind.TRADE_IN_CHOPPY: "the market is choppy",
    ConflictKind.RISK_OVERRIDE: "the risk rules reduced what was decided",
}


def conflict_prompt(
    kind: ConflictKind, trade: AgentAnswer, snapshot: Snapshot, snapshot_text: str, context: DecisionContext
) -> Prompt:
    """The question to a model about a decided trade; `snapshot_text` is a rendering of `snapshot`."""
    system = filled("conflict", **answer_places(ConflictAnswer))
    decided = (
        f"{trade.action.value} {snapshot.symbol}, confidence {int(trade.confidence * 100)} %, "
        f"stop {_bps(trade.stop_fraction)}, target {_bps(trade.target_fraction)}"
    )
    user = (
        f"Conflict: {_SAID[kind]}.\nDecided: {decided}.\n\nAccount\n{context_json(context)}\n\nMarket\n{snapshot_text}"
    )
    return Prompt(system, user)


def _bps(distance: Decimal | None) -> str:
    return "none" if distance is None else f"{int(distance * 10_000)} bps away"


CONFLICT = AgentSpec(
    name="conflict",
    about="the first resolves conflicts, the others stand in",
    answer=ConflictAnswer,
    work=Flow.RULING,
)
