"""Sessions of an earlier form, brought to the present one when they are taken up.

A converter is a pure function from what is stored of form n to what form n + 1 would have stored. It knows the words of
those two forms and imports no type of today, so that it stays right when those change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec


class Kept(msgspec.Struct, frozen=True):
    """What is stored of a session: its row, `state` as it stands beside it, parts as JSON, rows of its tables by name.

    `alerts` are rows of `paper_alerts` yet to be stored, numbered on: they tell what could not be carried over.
    """

    session: Mapping[str, Any]
    state: Mapping[str, Any]
    parts: Mapping[tuple[str, str], Any]
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    alerts: tuple[Mapping[str, Any], ...] = ()


class Converter(msgspec.Struct, frozen=True):
    """From one form to the next, with the tables whose rows it reads."""

    convert: Callable[[Kept], Kept]
    tables: tuple[str, ...] = ()


class Forms(msgspec.Struct, frozen=True):
    """The form that is written now, and the converters by the form they start from."""

    current: int
    converters: Mapping[int, Converter]

    def refusal(self, form: int) -> str:
        """Why a session of this form cannot go on; empty where it can."""
        if form > self.current:
            return "was left by a newer version of TripleGain, which alone can go on with it: nothing of it was changed"
        if form and any(step not in self.converters for step in range(form, self.current)):
            return "was left by another version of TripleGain and cannot go on: its record stays and can be read"
        return ""

    def tables(self, form: int) -> set[str]:
        return {table for step in range(form, self.current) for table in self.converters[step].tables}

    def convert(self, kept: Kept, form: int) -> Kept:
        """What the present form would have stored."""
        for step in range(form, self.current):
            kept = self.converters[step].convert(kept)
        return kept
