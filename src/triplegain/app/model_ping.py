"""One tiny typed question to each model: is it there, how long does it take, what does it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field

from triplegain.domain import ids
from triplegain.llm.reply import ModelAnswer, ModelPort
from triplegain.llm.request import ModelRequest, Prompt

#: Calls of no session are put down under this name.
NO_SESSION = "no session"
_PROMPT = Prompt(
    system='Answer with one JSON object and nothing else: {"word":"pong","sum":NUMBER}, NUMBER as asked for.',
    user="How much is 2 + 3?",
)


class Pong(BaseModel):
    """What is answered."""

    word: Literal["pong"]
    sum: int = Field(ge=0, le=99)


@dataclass(frozen=True, slots=True)
class Ping:
    """How one model did. `failure` is empty if it answered; `model_id` is who the provider says answered."""

    model: str
    model_id: str
    answered: bool
    failure: str
    latency_ns: int
    tokens_in: int
    tokens_out: int
    cost_usd: Decimal
    attempts: int


async def ping(port: ModelPort, models: Iterable[str], timeout_s: float) -> list[Ping]:
    """All of them at once, each with its own budget of a decision."""
    return await asyncio.gather(*(_ping(port, model, timeout_s) for model in models))


async def _ping(port: ModelPort, model: str, timeout_s: float) -> Ping:
    request_id = f"ping-{ids.request_id()}/{model}"
    reply = await port.complete(ModelRequest(request_id, NO_SESSION, "ping", model, _PROMPT, Pong, timeout_s))
    usage = reply.usage
    failure = "" if isinstance(reply, ModelAnswer) else f"{reply.kind.value}: {reply.reason}"
    return Ping(
        model=model,
        model_id=reply.model_id,
        answered=not failure,
        failure=failure,
        latency_ns=usage.latency_ns,
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        cost_usd=usage.cost_usd,
        attempts=usage.attempts,
    )
