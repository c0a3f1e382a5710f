"""JSON that a database can hold, from any value: amounts as exact text, enumerations as their words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_UNSTORABLE = "\ufffd"


def _foreign(value: object) -> object:
    """Mappings that are no dicts."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


_ENCODER = msgspec.json.Encoder(enc_hook=_foreign, decimal_format="string")


def encode(value: object) -> bytes:
    """Any JSON-able value, record or Decimal. Raises TypeError for anything else.

    Characters that PostgreSQL cannot hold become U+FFFD: no model may stop a commit by what it answers.
    """
    try:
        raw = _ENCODER.encode(value)
    except UnicodeEncodeError:
        raw = _ENCODER.encode(_tamed(msgspec.to_builtins(value, enc_hook=_foreign)))
    return _NUL.sub(rb"\1" + _UNSTORABLE.encode(), raw) if b"\\u0000" in raw else raw


def storable(words: str) -> str:
    """Text as PostgreSQL can hold it: NUL and lone surrogates become U+FFFD."""
    return "".join(_UNSTORABLE if each == "\0" or "\ud800" <= each <= "\udfff" else each for each in words)


def _tamed(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case dict():
            return {_tamed(name): _tamed(each) for name, each in value.items()}
        case list() | tuple():
            return [_tamed(each) for each in value]
        case _:
            return value
