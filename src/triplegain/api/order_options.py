"""What may be asked of an order beside its terms, as a client writes it."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS, UNITS_NS, from_datetime
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.orders import OrderKind, OrderTerms, terms_of
from triplegain.domain.price import RELATIVE_PRICE, Price, read_price
from triplegain.domain.values import AMOUNT, TIME_NS_MAX

_LENGTH = re.compile(r"\+?([1-9][0-9]{0,6})(ms|[smhd])|\+([1-9][0-9]{0,6})")
_UNITS_NS = {"ms": MILLISECOND_NS, **UNITS_NS}

#: A moment of market time: a length from now, or a time.
Moment = Annotated[str, Field(max_length=40)]


def moment_ns(text: str, now_ns: int, name: str) -> int:
    """The market time that the text of the field `name` means. Raises InvalidValueError."""
    if length := _LENGTH.fullmatch(text):
        number, unit, seconds = length.groups()
        return now_ns + (int(seconds) * SECOND_NS if seconds else int(number) * _UNITS_NS[unit])
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None and (time_ns := from_datetime(moment)) <= TIME_NS_MAX:
            return time_ns
    raise InvalidValueError(f"`{name}` is a length like 90s, 5m, 1h, 2d or a time like 2025-11-20T12:00:00Z")


def _asked_price(raw: Any) -> Price:
    found = read_price(raw) if isinstance(raw, str) else None
    if found is None:
        raise ValueError(
            'must be text: a plain decimal above zero, like "0.1", or its distance from the last trade, "+5" or "-2%"'
        )
    if isinstance(found, Decimal) and not found:
        raise ValueError("must be above zero; leave it out where there is none")
    return found


#: A price, or how far it lies from another: `+5`, `-2%`, `#1.5%`.
AskedPrice = Annotated[
    Price,
    PlainValidator(_asked_price),
    WithJsonSchema({"type": "string", "pattern": f"^({AMOUNT}|{RELATIVE_PRICE})$", "example": "0.1"}),
]


def _lower(raw: Any) -> Any:
    return raw.strip().lower() if isinstance(raw, str) else raw


class CloseTerms(BaseModel):
    """The order that each fill opens on the other side, for what it filled: of any type but market and iceberg."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_type: Annotated[OrderKind, BeforeValidator(_lower)]
    price: AskedPrice | None = None
    limit_price: AskedPrice | None = None

    @property
    def terms(self) -> OrderTerms:
        return terms_of(self.order_type, self.price, limit_price=self.limit_price)

    @model_validator(mode="after")
    def _makes_an_order(self) -> CloseTerms:
        _ = self.terms
        return self
