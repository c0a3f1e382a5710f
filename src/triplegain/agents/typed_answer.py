"""The base of every answer of a model: the schema in the prompt, the parser and the stored record are one type.

A prompt's text is a file in `prompts/`, one per agent, whose places are filled with that schema.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from triplegain.agents.evidence import plain_text
from triplegain.domain.errors import TripleGainError
from triplegain.llm.schema import form_text, schema_text

REASONING_MAX = 300
_SHORT_MAX = 80


class TypedAnswer(BaseModel):
    """Frozen. Every field is required, and no other is allowed: a default would turn strict schemas off.

    Numbers are whole, have their unit in their name, and are never repaired: 75.0, "75", true and NaN are invalid.
    Text decides nothing: it is cleaned and cut, not refused. Every answer says how sure it is; `reasoning` comes last.
    """

    # Most answers are never given in a run: what checks one is made with the first.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    if TYPE_CHECKING:
        # Declared by each answer, where it belongs among its fields: their order is that of the schema.
        confidence_pct: int
        reasoning: str

    @property
    def lean_pct(self) -> int | None:
        """Which way it looks, -100 (the market falls) to 100 (it rises); None: it has no view of that."""
        return None

    @property
    def verdict(self) -> str:
        """What of it is news: an analysis by rules with the verdict of the one before is not stored again. Any change
        is, where an answer does not say."""
        return self.model_dump_json()

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


def answer_places(answer_type: type[TypedAnswer]) -> dict[str, str]:
    """What a template's places `form` and `schema` are filled with."""
    return {"form": form_text(answer_type), "schema": schema_text(answer_type)}
