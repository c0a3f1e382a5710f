"""What a reply says in the type that its question asked for."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from triplegain.agents.answer import Abstain
from triplegain.agents.spec import AgentSpec
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelReply

TypedReply = TypeVar("TypedReply", bound=BaseModel)


def fitting(agent: AgentSpec, reply: ModelReply) -> ModelReply:
    """The reply, or that it is invalid: what a tape or a stored session has kept may be of an earlier form."""
    if isinstance(reply, ModelAnswer):
        try:
            agent.answer.model_validate(reply.value)
        except ValidationError as error:
            reason = f"not an answer to a {agent.name} question: {error.error_count()} faults"
            return ModelFailure(FailureKind.INVALID, reason, reply.usage, reply.prompt_hash, reply.model_id)
    return reply


def answered(answer: type[TypedReply], reply: ModelReply) -> TypedReply | Abstain:
    """What a `fitting` reply says in its type; a failure says nothing, and why."""
    if isinstance(reply, ModelAnswer):
        return answer.model_validate(reply.value)
    return Abstain(f"{reply.kind}: {reply.reason}")
