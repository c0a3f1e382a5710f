"""What a model is asked, and what comes back: an answer that has passed every check, or a failure with its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

import msgspec
from pydantic import BaseModel


class Tool(StrEnum):
    """What the provider may do on its side before it answers. A decision never has any."""

    WEB_SEARCH = "web_search"
    X_SEARCH = "x_search"


@dataclass(frozen=True, slots=True)
class Prompt:
    """`system` are our instructions, with the schema of the answer; `user` is the material, quoted text fenced."""

    system: str
    user: str


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to one model.

    `request_id` is unique in its session and the same when the session asks again after a restart. `model` is the
    name of a model of the configuration, not the provider's. `answer` is the one type that gives the schema in the
    prompt, the parser and the stored record. `echo` names fields of the answer and what they must repeat: the
    snapshot, the symbol. `timeout_s` is wall time, over all attempts.
    """

    request_id: str
    session_id: str
    agent: str
    model: str
    prompt: Prompt
    answer: type[BaseModel]
    timeout_s: float
    echo: Mapping[str, str] = field(default_factory=dict)
    tools: frozenset[Tool] = frozenset()
    #: Market time at which it was asked, nanoseconds.
    asked_at_ns: int = 0


class FailureKind(StrEnum):
    """Why there is no answer. Each of them is an abstention.

    `of_provider`: it is one of the provider or the way to it, and not of what a model said or of our own rules.
    """

    of_provider: bool

    def __new__(cls, word: str, of_provider: bool = False) -> FailureKind:
        kind = str.__new__(cls, word)
        kind._value_, kind.of_provider = word, of_provider
        return kind

    TIMEOUT = "timeout", True
    CONNECTION = "connection", True
    RATE_LIMITED = "rate_limited", True
    SERVER_ERROR = "server_error", True
    REJECTED = "rejected", True
    UNAVAILABLE = "unavailable", True
    EMPTY = "empty"
    TRUNCATED = "truncated"
    OVERSIZED = "oversized"
    INVALID = "invalid"
    WRONG_ECHO = "wrong_echo"
    REFUSAL = "refusal"
    BUDGET = "budget"
    BREAKER_OPEN = "breaker_open"
    NOT_ON_TAPE = "not_on_tape"


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
