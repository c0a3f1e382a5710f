"""The schema of an answer as a prompt shows it: generated from the type that also parses the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from triplegain.agents.typed_answer import TypedAnswer


@cache
def schema_text(answer_type: type[TypedAnswer]) -> str:
    """JSON Schema on one line: definitions put where they are used, titles left out, descriptions kept."""
    schema = answer_type.model_json_schema()
    definitions = schema.pop("$defs", {})
    schema.pop("description", None)
    return _json(_inlined(schema, definitions))


def answer_places(answer_type: type[TypedAnswer]) -> dict[str, str]:
    """What a template's places `form` and `schema` are filled with."""
    return {"form": form_text(answer_type), "schema": schema_text(answer_type)}


def form_text(answer_type: type[TypedAnswer], fixed: Mapping[str, str] = MappingProxyType({})) -> str:
    """The same in few tokens: `{"action":"buy|hold","confidence_pct":0..100}`. `fixed` fields show their value."""
    properties = json.loads(schema_text(answer_type))["properties"]
    fields = [f'"{name}":{_json(fixed[name]) if name in fixed else _brief(each)}' for name, each in properties.items()]
    return f"{{{','.join(fields)}}}"


def _brief(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_brief(each) for each in schema["anyOf"])
    if "enum" in schema:
        return f'"{"|".join(schema["enum"])}"'
    match schema["type"]:
        case "integer":
            return f"{schema['minimum']}..{schema['maximum']}"
        case "array":
            return f"[{_brief(schema['items'])}]"
        case "null":
            return "null"
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
