"""What a model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
