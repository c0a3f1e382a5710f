"""How values travel in JSON: money as text both ways, times as RFC 3339 in UTC, records field by field."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    create_model,
)

from triplegain.domain.clock import MILLISECOND_NS, iso
from triplegain.domain.json_form import is_moment, plain_json
from triplegain.domain.money import text
from triplegain.domain.values import AMOUNT, AMOUNT_DECIMALS, AMOUNT_DIGITS, NAME, SYMBOL, read_amount

#: Fields of records that the API tells under another name; of a moment the `_ns` goes, too.
_NAMES = {"session_id": "session", "exchange_time_ns": "time", "latency_ns": "latency_ms"}


def _above_zero(raw: Any) -> Decimal:
    if not isinstance(raw, str):
        raise ValueError('must be text, like "0.1": a number of JSON may already have lost digits')
    amount = read_amount(raw)
    if amount is None:
        raise ValueError(
            'must be a plain decimal above zero, like "0.1" '
            f"(at most {AMOUNT_DIGITS} digits and {AMOUNT_DECIMALS} decimals, no sign, no exponent)"
        )
    if not amount:
        raise ValueError("must be above zero; leave it out where there is none")
    return amount


#: Money as it comes in.
Money = Annotated[
    Decimal,
    BeforeValidator(_above_zero),
    WithJsonSchema({"type": "string", "pattern": f"^{AMOUNT}$", "example": "0.1"}),
]
#: Money as it goes out, exact.
Amount = Annotated[Decimal, PlainSerializer(text, return_type=str)]
#: Nanoseconds inside, RFC 3339 outside.
Time = Annotated[int, PlainSerializer(iso, return_type=str)]
Milliseconds = Annotated[int, PlainSerializer(lambda length_ns: length_ns // MILLISECOND_NS, return_type=int)]
Plain = Annotated[Mapping[str, Any], PlainSerializer(plain_json, return_type=dict[str, Any])]
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL, to_upper=True)]
Name = Annotated[str, StringConstraints(pattern=NAME)]


class Part(BaseModel):
    """A piece of an answer; `of` takes its fields from records that have them, and the rest by name."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    @classmethod
    def of(cls, *records: Any, **more: Any) -> Self:
        """Of two records that have a field the last one counts."""
        found = {
            name: getattr(record, name) for record in records for name in cls.model_fields if hasattr(record, name)
        }
        return cls.model_validate(found | more, from_attributes=True)


class Resource(Part):
    """What the API shows. Every object says in which trading mode it was made."""

    mode: str = "paper"


_P = TypeVar("_P", bound=Part)


def tells(record: type, only: Collection[str] = (), without: Collection[str] = ()) -> Callable[[type[_P]], type[_P]]:
    """The decorated part has the fields of `record` beside its own, each as it travels.

    `only` these fields, or all `without` some; a field that the part names itself is left as it is there.
    """

    def mirrored(part: type[_P]) -> type[_P]:
        fields: dict[str, Any] = {
            name: _wired(name, hint)
            for name, hint in get_type_hints(record).items()
            if (name in only if only else name not in without)
            and name not in part.model_fields
            and get_origin(hint) is not ClassVar
        }
        return create_model(part.__name__, __base__=part, __doc__=part.__doc__, __module__=part.__module__, **fields)

    return mirrored


def _wired(name: str, hint: Any) -> tuple[Any, Any]:
    """Type and place of a field."""
    if name == "latency_ns":
        hint = Milliseconds
    elif is_moment(name):
        hint = Time | None if type(None) in get_args(hint) else Time
        return hint, Field(serialization_alias=_NAMES.get(name, name.removesuffix("_ns")))
    return _wire_type(hint), Field(serialization_alias=_NAMES.get(name, name))


def _wire_type(hint: Any) -> Any:
    """The type under which a value of `hint` travels. Words are text, whatever list they come from."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Decimal:
        return Amount
    if origin in (Union, UnionType):
        return Union[tuple(_wire_type(each) for each in inner)]  # noqa: UP007  # the members are known at run time only
    if origin is tuple:
        return list[_wire_type(inner[0])]  # type: ignore[misc]  # so is the element
    if origin is Mapping:
        return Plain if inner[1] is Any else dict[str, _wire_type(inner[1])]  # type: ignore[misc]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return str
    if isinstance(hint, type) and (issubclass(hint, msgspec.Struct) or is_dataclass(hint)):
        return part_of(hint)
    return hint


@cache
def part_of(record: type, base: type[Part] = Part) -> type[Part]:
    """A record as it stands, inside another or as the whole answer."""
    part = type(record.__name__, (base,), {"__doc__": record.__doc__, "__module__": record.__module__})
    return tells(record)(part)
