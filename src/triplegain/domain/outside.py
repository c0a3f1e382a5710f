"""Words from outside, made safe where they enter: nothing a terminal obeys, no longer than they may be, no key of ours.

Whatever a feed, a provider, a file or a client said goes through here before it is kept, shown, logged or sent on.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

#: Characters of a sentence; of a name.
WORDS_MAX, NAME_MAX = 400, 200
_REPLACED = "\ufffd"


def tame(words: str, most: int = WORDS_MAX) -> str:
    """One line of at most `most` characters and a mark where it was cut: control characters, escape sequences, half
    surrogate pairs and marks that turn text around become U+FFFD, all white space a blank."""
    line = " ".join(words[: 2 * most].split())
    shown = _printable(line[:most])
    return shown if len(words) <= 2 * most and len(line) <= most else f"{shown.rstrip()}…"


def tame_lines(words: str, most: int = sys.maxsize) -> str:
    """As `tame`, with its line breaks and blanks."""
    shown = "\n".join(map(_printable, words[:most].split("\n")))
    return shown if len(words) <= most else f"{shown.rstrip()}…"


def tame_tree(value: Any, most: int = sys.maxsize) -> Any:
    """JSON-able values, each text of them made tame, names of fields included."""
    return _each_text(value, lambda words: tame_lines(words, most))


def _printable(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else " " if each.isspace() else _REPLACED for each in line)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value)
        case dict() | Mapping():
            return {_each_text(name, change): _each_text(each, change) for name, each in value.items()}
        case list() | tuple():
            return [_each_text(each, change) for each in value]
        case _:
            return value


_MASK = "********"
#: So much of a key is masked wherever it stands; a shorter key as a whole, and one below that is none.
_RUN, _LENGTH_MIN = 8, 6
#: What looks like a key even if it is none of ours: providers repeat a wrong one in part.
_KEY_LIKE = re.compile(r"\b(?:sk|xai|pk)-[A-Za-z0-9_*.-]{6,}|\b[Bb]earer\s+[A-Za-z0-9_*.~+/=-]{12,}")
_SECRET_NAME = re.compile(r"(KEY|SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE)$")


class Redactor:
    """Knows keys, and masks every run of eight of their characters. What it returns is never longer."""

    def __init__(self, secrets: Iterable[str]) -> None:
        kept = {each for each in secrets if len(each) >= _LENGTH_MIN}
        self._short = sorted((each for each in kept if len(each) < _RUN), key=len, reverse=True)
        self._runs = {each[at : at + _RUN] for each in kept for at in range(len(each) - _RUN + 1)}

    def text(self, words: str) -> str:
        """Words without our keys and without what looks like one."""
        return _KEY_LIKE.sub(_MASK, self._own(words))

    def tree(self, value: Any) -> Any:
        """JSON-able values without our keys, also where one is the name of a field; nothing else of them changes."""
        return _each_text(value, self._own)

    def _own(self, words: str) -> str:
        runs = self._runs
        found = [at for at in range(len(words) - _RUN + 1) if words[at : at + _RUN] in runs] if runs else []
        if found:
            parts: list[str] = []
            end = 0
            for at in found:
                if not parts or at > end:
                    parts += [words[end:at], _MASK]
                end = at + _RUN
            words = "".join((*parts, words[end:]))
        for secret in self._short:
            words = words.replace(secret, "*" * len(secret))
        return words


def secrets_of(environ: Mapping[str, str]) -> set[str]:
    """The values of variables that are called a key, a secret, a token or a password, and the password of a URL."""
    found = {value.strip() for name, value in environ.items() if _SECRET_NAME.search(name)}
    for value in environ.values():
        if "://" in value and "@" in value:
            try:
                found.add(urlsplit(value).password or "")
            except ValueError:
                continue
    return found - {""}
