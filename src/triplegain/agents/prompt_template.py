"""The prompts' texts: one file per agent in `prompts/`, part of the package."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from triplegain.domain.errors import TripleGainError

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
