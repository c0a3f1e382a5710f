"""The typed answer of each kind of round: one type gives the schema in the prompt, the parser and the record."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

ANSWERS: Mapping[str, type[BaseModel]] = {}
