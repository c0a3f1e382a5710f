"""What comes back from a model: an answer that has passed every check, or a failure with its kind."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from triplegain.llm.request import ModelRequest


class FailureKind(StrEnum):
    """Why there is no answer. Each of them is an abstention."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    REJECTED = "rejected"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    OVERSIZED = "oversized"
    INVALID = "invalid"
    WRONG_ECHO = "wrong_echo"
    REFUSAL = "refusal"
    BUDGET = "budget"
    BREAKER_OPEN = "breaker_open"
    NOT_ON_TAPE = "not_on_tape"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call took. `latency_ns` is wall time over all attempts; `cost_usd` what the provider charges for it."""

    latency_ns: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)
    attempts: int = 0


class ModelAnswer(msgspec.Struct, frozen=True, tag="answer"):
    """`value` is the answer's type as JSON, validated and finite. `model_id` is the id the provider answered with."""

    value: dict[str, Any]
    model_id: str
    usage: Usage = Usage()
    prompt_hash: str = ""


class ModelFailure(msgspec.Struct, frozen=True, tag="failure"):
    """`reason` is one sentence for the user, without secrets."""

    kind: FailureKind
    reason: str
    usage: Usage = Usage()
    prompt_hash: str = ""
    model_id: str = ""


ModelReply = ModelAnswer | ModelFailure


class ModelPort(Protocol):
    """Asks models. Never raises for what a model or its provider does: that is a `ModelFailure`."""

    async def complete(self, request: ModelRequest) -> ModelReply: ...
