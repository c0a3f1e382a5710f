"""Records as JSON, for whoever reads them outside: one rule for values and for the names of times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from triplegain.domain.clock import iso
from triplegain.domain.money import text
from triplegain.domain.outside import tame_lines

#: Names that end like this, less `_ns`, are moments; other nanoseconds are lengths.
_MOMENTS = ("_at_ns", "time_ns", "until_ns", "due_ns")


def is_moment(name: str) -> bool:
    """Whether a field of this name holds a time, and not a length."""
    return name.endswith(_MOMENTS)


def plain_json(value: Any) -> Any:
    """Exact amounts as text, moments as RFC 3339, other nanoseconds as seconds; text is tame, whoever stored it. A
    field that is not set is not there."""
    match value:
        case Decimal():
            return text(value)
        case Enum():
            return value.name.lower() if isinstance(value, int) else value.value
        case str():
            return tame_lines(value)
        case date():
            return value.isoformat()
        case Path():
            return str(value)
        case Mapping():
            return {str(plain_json(name)): plain_json(each) for name, each in value.items()}
        case list() | tuple():
            return [plain_json(each) for each in value]
        case msgspec.Struct():
            told = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
            return _object((word, getattr(value, name)) for name, word in told)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return fields_of(value, *(field.name for field in fields(value)))
        case _:
            return value


def fields_of(record: Any, *names: str) -> dict[str, Any]:
    """Some fields and properties of a record, as JSON."""
    return _object((name, getattr(record, name)) for name in names)


def with_derived(record: Any, *names: str) -> dict[str, Any]:
    """A whole record as JSON and, beside it, properties that follow from its fields."""
    whole: dict[str, Any] = plain_json(record)
    return whole | fields_of(record, *names)


def _object(told: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return dict(_field(name, value) for name, value in told if value is not msgspec.UNSET)


def _field(name: str, value: Any) -> tuple[str, Any]:
    if not name.endswith("_ns") or not (value is None or isinstance(value, int)):
        return name, plain_json(value)
    if is_moment(name):
        return name.removesuffix("_ns"), iso(value) if value else None
    return f"{name.removesuffix('_ns')}_s", None if value is None else value / 10**9
