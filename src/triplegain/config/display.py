"""The configuration for eyes and records: plain values as they are written, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from triplegain.config.infrastructure import Secret
from triplegain.config.tree import KEYS, Config
from triplegain.domain.configured import Path, put
from triplegain.domain.money import text

MASK = "********"


def config_as_dict(config: Config) -> dict[str, Any]:
    """JSON-able, by file and section; exact numbers as text, a set secret as asterisks."""
    shown: dict[str, Any] = {}
    for path, value in written_values(config).items():
        put(shown, path, value)
    return shown


def in_words(value: Any) -> str:
    """A plain value in a line of text."""
    return json.dumps(value).replace('"', "") if isinstance(value, (dict, list, bool)) else str(value)


def written_values(config: Config) -> dict[Path, Any]:
    """What is in force of every key, plain, as it is written."""
    values: dict[Path, Any] = {}
    for path, (key, default) in KEYS.items():
        if path in config.given:
            values[path] = _plain(config.given[path])
        elif key.like:
            values[path] = values[(*path[:-1], key.like)]
        else:
            values[path] = _plain(key.kind.read(default))
    return values


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case tuple():
            return [_plain(item) for item in value]
        case Secret():
            return MASK if value.get_secret_value() else ""
        case Decimal():
            return text(value)
        case Enum():
            return str(value.value)
        case _:
            return value
