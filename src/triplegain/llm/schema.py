"""The one schema of an answer: shown in its prompt, told to its provider. Each field is required, none besides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from triplegain.domain.errors import InvalidValueError


@cache
def schema_text(answer: type[BaseModel]) -> str:
    """JSON Schema on one line, fields in the order they are to be written: definitions put where they are used, titles
    left out, descriptions kept.

    Raises InvalidValueError if a field of `answer` may be left out: a default switches a provider's strictness off,
    and would stand in for what a model did not say.
    """
    schema = answer.model_json_schema() | {"additionalProperties": False}
    optional = sorted(set(schema["properties"]).difference(schema.get("required", ())))
    if optional:
        raise InvalidValueError(f"{answer.__name__}: {', '.join(optional)} must be required (None may be allowed)")
    definitions = schema.pop("$defs", {})
    schema.pop("description", None)
    return _json(_inlined(schema, definitions))


def form_text(answer: type[BaseModel], fixed: Mapping[str, str] = MappingProxyType({})) -> str:
    """The same in few tokens: `{"action":"buy|hold","confidence_pct":0..100}`. `fixed` fields show their value."""
    properties = json.loads(schema_text(answer))["properties"]
    fields = [f'"{name}":{_json(fixed[name]) if name in fixed else _brief(each)}' for name, each in properties.items()]
    return f"{{{','.join(fields)}}}"


def _brief(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_brief(each) for each in schema["anyOf"])
    if "const" in schema:
        return _json(schema["const"])
    if "enum" in schema:
        return f'"{"|".join(schema["enum"])}"'
    match schema["type"]:
        case "integer":
            return f"{schema['minimum']}..{schema['maximum']}"
        case "array":
            return f"[{_brief(schema['items'])}]"
        case "null" | "number" | "boolean" as word:
            return str(word)
        case _:
            return f'"{schema.get("description", "...")}"'


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        target = {key: value for key, value in definitions[name].items() if key != "description"}
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _inlined({**target, **rest}, definitions)
    # A field may be called title: below `properties` a name is no keyword.
    return {
        key: {name: _inlined(each, definitions) for name, each in value.items()}
        if key == "properties"
        else _inlined(value, definitions)
        for key, value in node.items()
        if key != "title"
    }


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
