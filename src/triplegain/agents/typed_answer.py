"""The base of every answer of a model: the schema in the prompt, the parser and the stored record are one type.

A prompt's text is a file in `prompts/`, one per agent, whose places are filled with that schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from triplegain.agents.evidence import plain_text
from triplegain.domain.errors import TripleGainError

REASONING_MAX = 300
_SHORT_MAX = 80


class TypedAnswer(BaseModel):
    """Frozen. Every field is required, and no other is allowed: a default would turn strict schemas off.

    Numbers are whole, have their unit in their name, and are never repaired: 75.0, "75", true and NaN are invalid.
    Text decides nothing: it is cleaned and cut, not refused. Every answer says how sure it is; `reasoning` comes last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    if TYPE_CHECKING:
        # Declared by each answer, where it belongs among its fields: their order is that of the schema.
        confidence_pct: int
        reasoning: str

    @property
    def lean_pct(self) -> int | None:
        """Which way it looks, -100 (the market falls) to 100 (it rises); None: it has no view of that."""
        return None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        optional = [name for name, field in cls.model_fields.items() if not field.is_required()]
        if optional or list(cls.model_fields)[-1] != "reasoning":
            raise TypeError(f"{cls.__name__}: every field is required ({optional} is not), and reasoning comes last")


def whole(least: int, most: int) -> Any:
    """A field for a whole number from `least` to `most`."""
    return Field(strict=True, ge=least, le=most)


def _cut(length_max: int) -> AfterValidator:
    return AfterValidator(lambda text: plain_text(text, length_max))


Percent = Annotated[int, whole(0, 100)]
SignedPercent = Annotated[int, whole(-100, 100)]
Short = Annotated[str, _cut(_SHORT_MAX), Field(json_schema_extra={"maxLength": _SHORT_MAX})]
Reasoning = Annotated[
    str,
    _cut(REASONING_MAX),
    Field(description="why, in a sentence or two", json_schema_extra={"maxLength": REASONING_MAX}),
]


def at_most(count: int) -> Any:
    """A list of short texts whose first `count` are kept."""
    return AfterValidator(lambda texts: texts[:count]), Field(json_schema_extra={"maxItems": count})


_PLACE = re.compile(r"\{\{(\w+)\}\}")


class PromptTemplateError(TripleGainError):
    """A template is missing, or what it asks for is not what it is given: an installation or a program is broken."""


@cache
def template(name: str) -> str:
    """The text of `prompts/<name>.md`. Raises PromptTemplateError if the package does not carry it, or it is empty."""
    try:
        text = files("triplegain.agents").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8").strip()
    except OSError:
        text = ""
    if not text:
        raise PromptTemplateError(f"the prompt {name}.md is missing or empty: install TripleGain again")
    return text


def filled(name: str, **values: str) -> str:
    """The template with each `{{place}}` filled. What is put in is not looked at again.

    Raises PromptTemplateError if a place has no value or a value no place.
    """
    text = template(name)
    places = set(_PLACE.findall(text))
    if places != set(values):
        raise PromptTemplateError(f"{name}.md has the places {sorted(places)}, given are {sorted(values)}")
    return _PLACE.sub(lambda match: values[match.group(1)], text)


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
