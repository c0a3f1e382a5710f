"""One send to one provider: what goes out, what comes back, what can go wrong. Nothing is retried or judged here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

from pydantic import BaseModel

from triplegain.domain.errors import TripleGainError
from triplegain.llm.reply import FailureKind, ModelRequest, Tool
from triplegain.llm.schema import form_text, schema_text
from triplegain.llm.spec import ModelSpec, Provider


def fingerprint(request: ModelRequest, spec: ModelSpec) -> str:
    """Hex SHA-256 over messages, settings, schema and model: the prompt's hash, and the key on the tape.

    Two entries of one model under two names are two models: each has its own answers.

    Not in it: who asks, when, under which id, how long it may take, and where the model's server stands.
    """
    return _sha256(canonical(request, spec))


def canonical(request: ModelRequest, spec: ModelSpec) -> dict[str, Any]:
    """The question as it is hashed and stored: JSON-able, without secrets, the same whenever it is asked again."""
    return {
        "messages": [
            {"role": "system", "text": request.prompt.system},
            {"role": "user", "text": request.prompt.user},
        ],
        "settings": {
            "temperature": None if spec.temperature is None else str(spec.temperature),
            "max_output_tokens": spec.max_output_tokens,
            "context_tokens": spec.context_tokens,
            "thinking": spec.thinking.value,
            "searches_max": spec.searches_max if request.tools else 0,
            "tools": sorted(tool.value for tool in request.tools),
        },
        "schema_hash": schema_hash(request.answer),
        "model": {"name": spec.name, "provider": spec.provider.value, "id": spec.model},
    }


@lru_cache(maxsize=64)
def schema_hash(answer: type[BaseModel]) -> str:
    """Hex SHA-256 of the answer's JSON schema. The order of the fields counts: models answer in that order."""
    schema = answer.model_json_schema()
    return _sha256({"schema": schema, "fields": list(schema.get("properties", {}))})


def _sha256(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


#: These send the schema beside the prompt, where their models do not see it, or not at all.
_BLIND = (Provider.OLLAMA, Provider.DEEPSEEK)


#: What a provider puts before a prompt on its side.
_INSTRUCTIONS_TOKENS = 1_000


@dataclass(frozen=True, slots=True)
class Turn:
    text: str
    by_model: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent. `turns` begins and ends with the user's."""

    spec: ModelSpec
    system: str
    turns: tuple[Turn, ...]
    answer: type[BaseModel]
    tools: frozenset[Tool] = frozenset()

    @classmethod
    def of(cls, request: ModelRequest, spec: ModelSpec) -> Question:
        """Raises InvalidValueError if the answer's type has fields that may be left out."""
        text = schema_text(request.answer)
        system = request.prompt.system
        told = all(f'"{name}"' in system for name in request.answer.model_fields)
        if spec.provider in _BLIND and not told:
            system += f"\n\nAnswer with one JSON object of this JSON schema and nothing else:\n{text}"
        if spec.provider is Provider.DEEPSEEK:
            system += f"\n\nThe json has this form:\n{form_text(request.answer)}"
        return cls(spec, system, (Turn(request.prompt.user),), request.answer, request.tools)

    @property
    def schema(self) -> dict[str, Any]:
        """A tree of the caller's own."""
        schema: dict[str, Any] = json.loads(schema_text(self.answer))
        return schema

    def again(self, answer: str, fault: str) -> Question:
        """The same question after an answer that did not count, with what was wrong with it."""
        complaint = (
            f"Your answer was not accepted: {fault}. Answer again with one JSON object of the schema, only that."
        )
        return replace(self, turns=(*self.turns, Turn(answer, by_model=True), Turn(complaint)))

    @property
    def tokens_in_max(self) -> int:
        """More tokens than this the prompt cannot have: a token is at least one byte."""
        texts = [self.system, schema_text(self.answer), *(turn.text for turn in self.turns)]
        return sum(len(text.encode("utf-8", "replace")) for text in texts) + 32 * len(texts)

    @property
    def searches_max(self) -> int:
        return self.spec.searches_max if self.tools else 0

    @property
    def charged_tokens_max(self) -> int:
        """More tokens than this no provider can have read: the prompt, its own instructions, and with tools what it
        finds, as much as the model's configuration allows for."""
        return self.tokens_in_max + _INSTRUCTIONS_TOKENS + self.searches_max * self.spec.search_tokens

    @property
    def cost_usd_max(self) -> Decimal | None:
        """The most one send can cost; None: nobody knows the price."""
        spec = self.spec
        return spec.cost_usd(self.charged_tokens_max, spec.max_output_tokens, self.searches_max)


class Finish(StrEnum):
    """Why the model stopped."""

    DONE = "done"
    LENGTH = "length"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """What came back. `tokens_in` None: the provider did not say what it charges for."""

    text: str
    model_id: str
    finish: Finish
    tokens_in: int | None
    tokens_out: int | None
    searches: int = 0


class WireError(TripleGainError):
    """No answer came back.

    `charged`: the provider may have worked on it and charge for it. `retry_after_s`: when it asked us to come again.
    """

    def __init__(
        self, kind: FailureKind, reason: str, *, charged: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.charged = charged
        self.retry_after_s = retry_after_s
        #: What the provider said, for the record.
        self.response = ""


def refused(status: int, name: str, said: str) -> WireError:
    """What a response that is no answer means, by its HTTP status."""
    if status == 429:
        return WireError(FailureKind.RATE_LIMITED, f"{name} says too many requests{said}")
    if status >= 500 or status in (408, 409):
        return WireError(FailureKind.SERVER_ERROR, f"{name} has a failure of its own{said}")
    return WireError(FailureKind.REJECTED, f"{name} rejected the request{said}")


class Wire(Protocol):
    """The way to one provider."""

    async def ask(self, question: Question, time_left_s: float) -> WireAnswer:
        """Send once. Raises WireError, TimeoutError when the time is over, and whatever else an answer breaks."""
        ...

    async def aclose(self) -> None: ...
