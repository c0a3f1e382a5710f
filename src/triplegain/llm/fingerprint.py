"""What identifies a question: the SHA-256 of everything that decides the answer, and nothing else.

Not in it: who asks, when, under which id, how long it may take, and where the model's server stands.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from triplegain.llm.request import ModelRequest
from triplegain.llm.spec import ModelSpec


def fingerprint(request: ModelRequest, spec: ModelSpec) -> str:
    """Hex SHA-256 over messages, settings, schema and model: the prompt's hash, and the key on the tape.

    Two entries of one model under two names are two models: each has its own answers.
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
