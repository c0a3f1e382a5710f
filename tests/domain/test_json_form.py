"""What is told of a record outside."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType

from triplegain.domain.json_form import fields_of, plain_json


class _Stored(Struct):
    amount: Decimal
    due_ns: int | UnsetType = UNSET
    note: str | UnsetType = UNSET


@dataclass
class _Worked:
    inner: _Stored
    note: str | UnsetType = UNSET


def test_a_field_that_is_not_set_is_not_there() -> None:
    bare, whole = _Stored(Decimal("1.50")), _Stored(Decimal(2), 10**9, "x")
    assert plain_json(bare) == {"amount": "1.5"}
    assert plain_json(whole) == {"amount": "2", "due": "1970-01-01T00:00:01.000000Z", "note": "x"}
    assert plain_json(_Worked(bare)) == {"inner": {"amount": "1.5"}}
    assert fields_of(bare, "amount", "note") == {"amount": "1.5"}
