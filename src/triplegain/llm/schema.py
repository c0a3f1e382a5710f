"""The JSON schema of an answer, as strict as every provider can be told: each field required, none besides."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from triplegain.domain.errors import InvalidValueError


@lru_cache(maxsize=64)
def strict_schema_text(answer: type[BaseModel]) -> str:
    """The schema as compact JSON, fields in the order they are to be written.

    Raises InvalidValueError if a field of `answer` may be left out: a default switches a provider's strictness off,
    and would stand in for what a model did not say.
    """
    schema = _strict(answer.model_json_schema(), answer.__name__)
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False)


def strict_schema(answer: type[BaseModel]) -> dict[str, Any]:
    """The schema as a tree of the caller's own. Raises InvalidValueError as `strict_schema_text` does."""
    schema = json.loads(strict_schema_text(answer))
    assert isinstance(schema, dict)
    return schema


def _strict(node: Any, name: str) -> Any:
    if isinstance(node, list):
        return [_strict(item, name) for item in node]
    if not isinstance(node, dict):
        return node
    properties = node.get("properties")
    if isinstance(properties, dict):
        optional = sorted(set(properties) - set(node.get("required", ())))
        if optional:
            raise InvalidValueError(f"{name}: {', '.join(optional)} must be required (None may be an allowed value)")
        strict = {field: _strict(item, name) for field, item in properties.items()}
        kept = {key: _strict(value, name) for key, value in node.items() if key not in ("properties", "title")}
        return {**kept, "properties": strict, "required": list(properties), "additionalProperties": False}
    # A field may be called title; the title of a node is noise that costs tokens.
    return {key: _strict(value, name) for key, value in node.items() if not _is_title(key, value)}


def _is_title(key: str, value: Any) -> bool:
    return key == "title" and isinstance(value, str)


def shape(answer: type[BaseModel]) -> str:
    """One JSON object that shows the form of an answer and says nothing: choices listed, numbers 0, text elided."""
    schema = strict_schema(answer)
    return json.dumps(_shape(schema, schema.get("$defs", {})), ensure_ascii=False)


def _shape(node: dict[str, Any], definitions: dict[str, Any]) -> Any:
    if "$ref" in node:
        return _shape(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    if "enum" in node:
        return " | ".join(map(str, node["enum"]))
    if "const" in node:
        return node["const"]
    choices = node.get("anyOf") or node.get("oneOf") or node.get("allOf")
    if choices:
        return _shape(choices[0], definitions)
    match node.get("type"):
        case "object":
            return {name: _shape(item, definitions) for name, item in node.get("properties", {}).items()}
        case "array":
            return [_shape(node["items"], definitions)] if node.get("items") else []
        case "integer" | "number":
            return 0
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return "..."
