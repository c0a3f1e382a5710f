"""The typed answer of each kind of round: one type gives the schema in the prompt, the parser and the record."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from triplegain.agents.answer import Abstain
from triplegain.agents.conflict import ConflictAnswer
from triplegain.agents.decision import VoteAnswer
from triplegain.agents.rebalance import RebalanceAnswer
from triplegain.agents.regime import RegimeAnswer
from triplegain.agents.sentiment import NewsAnswer, SocialAnswer
from triplegain.agents.technical import TechnicalAnswer
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelReply

TypedReply = TypeVar("TypedReply", bound=BaseModel)


class Kind(StrEnum):
    """What a round is about."""

    TECHNICAL = "technical"
    REGIME = "regime"
    SOCIAL = "social"
    NEWS = "news"
    DECISION = "decision"
    CONFLICT = "conflict"
    REBALANCE = "rebalance"


ANSWERS: Mapping[str, type[BaseModel]] = {
    Kind.TECHNICAL: TechnicalAnswer,
    Kind.REGIME: RegimeAnswer,
    Kind.SOCIAL: SocialAnswer,
    Kind.NEWS: NewsAnswer,
    Kind.DECISION: VoteAnswer,
    Kind.CONFLICT: ConflictAnswer,
    Kind.REBALANCE: RebalanceAnswer,
}


def fitting(kind: str, reply: ModelReply) -> ModelReply:
    """The reply, or that it is invalid: what a tape or a stored session has kept may be of an earlier form."""
    if isinstance(reply, ModelAnswer):
        try:
            ANSWERS[kind].model_validate(reply.value)
        except ValidationError as error:
            reason = f"not an answer to a {kind} question: {error.error_count()} faults"
            return ModelFailure(FailureKind.INVALID, reason, reply.usage, reply.prompt_hash, reply.model_id)
    return reply


def answered(answer: type[TypedReply], reply: ModelReply) -> TypedReply | Abstain:
    """What a `fitting` reply says in its type; a failure says nothing, and why."""
    if isinstance(reply, ModelAnswer):
        return answer.model_validate(reply.value)
    return Abstain(f"{reply.kind}: {reply.reason}")
