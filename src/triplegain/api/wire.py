"""How values travel in JSON: money as text both ways, times as RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, StringConstraints, WithJsonSchema

from triplegain.domain.clock import iso
from triplegain.domain.money import text
from triplegain.domain.values import AMOUNT, AMOUNT_DECIMALS, AMOUNT_DIGITS, NAME, SYMBOL, read_amount


class Resource(BaseModel):
    """What the API shows. Every object says in which trading mode it was made."""

    model_config = ConfigDict(frozen=True)

    mode: str = "paper"


def _amount(raw: Any) -> Decimal:
    if not isinstance(raw, str):
        raise ValueError('must be text, like "0.1": a number of JSON may already have lost digits')
    amount = read_amount(raw)
    if amount is None:
        raise ValueError(
            'must be a plain decimal above zero, like "0.1" '
            f"(at most {AMOUNT_DIGITS} digits and {AMOUNT_DECIMALS} decimals, no sign, no exponent)"
        )
    return amount


def _above_zero(raw: Any) -> Decimal:
    amount = _amount(raw)
    if not amount:
        raise ValueError("must be above zero; leave it out where there is none")
    return amount


def plain_json(value: Any) -> Any:
    """Records and summaries as JSON, amounts as text."""
    match value:
        case Decimal():
            return text(value)
        case Mapping():
            return {str(key): plain_json(each) for key, each in value.items()}
        case list() | tuple():
            return [plain_json(each) for each in value]
        case _:
            return value


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
Plain = Annotated[Mapping[str, Any], PlainSerializer(plain_json, return_type=dict[str, Any])]
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL, to_upper=True)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
