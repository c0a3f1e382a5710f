"""Words that somebody else wrote, a model or the web, as a terminal may show them."""

from __future__ import annotations

_CHARACTERS_MAX = 400
_REPLACED = "\ufffd"


def tame(words: str, characters_max: int = _CHARACTERS_MAX) -> str:
    """One line without control characters, escape sequences and marks that turn text around, cut to a length."""
    line = " ".join(words.split())
    shown = "".join(each if each.isprintable() else _REPLACED for each in line[:characters_max])
    return shown if len(line) <= characters_max else f"{shown.rstrip()}…"
