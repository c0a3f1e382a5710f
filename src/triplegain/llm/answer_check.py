"""From the text of a model to a value that may be believed, or what is wrong with it. Nothing is repaired."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from triplegain.llm.reply import FailureKind

_FAULTS_MAX = 5
_REASON_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer does not count. `reason` may be told to the model that gave it."""

    kind: FailureKind
    reason: str


def check_answer(text: str, answer: type[BaseModel], echo: Mapping[str, str]) -> dict[str, Any] | Fault:
    """The answer as plain JSON values, or its fault.

    It must be one JSON object and nothing around it, have exactly the fields of `answer` in their own types, only
    finite numbers, and repeat `echo`. Numbers in quotes, prose, code fences and repeated keys are faults.
    """
    try:
        raw = json.loads(text, parse_constant=_not_finite, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        return Fault(FailureKind.INVALID, f"not one JSON object: {error}"[:_REASON_LENGTH_MAX])
    if not isinstance(raw, dict):
        return Fault(FailureKind.INVALID, "not a JSON object")
    if not _finite(raw):
        return Fault(FailureKind.INVALID, "a number is not finite")
    try:
        value = answer.model_validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        return Fault(FailureKind.INVALID, _explain(error))
    plain = value.model_dump(mode="json")
    if not _finite(plain):
        return Fault(FailureKind.INVALID, "a number is not finite")
    for field, expected in echo.items():
        if plain.get(field) != expected:
            return Fault(FailureKind.WRONG_ECHO, f"{field} does not repeat what was asked about")
    return plain


def _not_finite(word: str) -> Any:
    raise ValueError(f"{word} is not a number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _finite(value: Any) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(_finite, value.values()))
        case list():
            return all(map(_finite, value))
        case _:
            return True


def _explain(error: ValidationError) -> str:
    """The first faults by field, without the values: what a model wrote is not repeated to it as our words."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    words = [f"{'.'.join(map(str, fault['loc'])) or 'answer'}: {fault['msg']}" for fault in faults[:_FAULTS_MAX]]
    more = len(faults) - len(words)
    return ("; ".join(words) + (f"; and {more} more" if more > 0 else ""))[:_REASON_LENGTH_MAX]
