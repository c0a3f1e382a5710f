"""The configuration for eyes and records: plain values, secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel, SecretStr

from triplegain.config.tree import Config
from triplegain.domain.money import text

MASK = "********"


def config_as_dict(config: Config) -> dict[str, Any]:
    """JSON-able, exact numbers as text, a set secret as asterisks."""
    shown = plain_value(config)
    assert isinstance(shown, dict)
    return shown


def plain_value(value: Any) -> Any:
    """One value of the tree, without its type."""
    match value:
        case BaseModel():
            return {name: plain_value(getattr(value, name)) for name in type(value).model_fields}
        case Mapping():
            return {str(key): plain_value(item) for key, item in value.items()}
        case tuple():
            return [plain_value(item) for item in value]
        case SecretStr():
            return MASK if value.get_secret_value() else ""
        case Decimal():
            return text(value)
        case Enum():
            return str(value.value)
        case _:
            return value
