"""The one space of values: what any door lets in can be computed exactly and stored.

The limits are those of the schema (`amount` is a finite numeric, `time_ns` a bigint not below 0) or tighter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Context, Decimal
from typing import Annotated, TypeVar

import msgspec

from triplegain.domain.clock import DAY_NS, MILLISECOND_NS, SECOND_NS
from triplegain.domain.errors import InvalidValueError

#: A whole number that a row can hold.
INTEGER_MAX = 2**63 - 1
#: The last market time anybody may name: the end of the year 2200, well before `INTEGER_MAX` (2262).
TIME_NS_MAX = 7_289_654_400 * SECOND_NS
#: Kraken keeps an order for a month at most.
EXPIRY_NS_MAX = 31 * DAY_NS
#: And for five seconds at least.
EXPIRY_NS_MIN = 5 * SECOND_NS

#: As a decoder checks them.
Count = Annotated[int, msgspec.Meta(ge=0, le=INTEGER_MAX)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=TIME_NS_MAX // SECOND_NS)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=TIME_NS_MAX // MILLISECOND_NS)]

#: Digits of an amount before and after its point, as a client may write it.
AMOUNT_DIGITS, AMOUNT_DECIMALS = 19, 18
AMOUNT = rf"[0-9]{{1,{AMOUNT_DIGITS}}}(\.[0-9]{{1,{AMOUNT_DECIMALS}}})?"
#: What may name an order or a position; with a dot first it could mean another place in a path. A pair, a task.
NAME = r"^[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,63}$"
#: What may name a session.
SESSION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
SYMBOL = r"^[A-Za-z0-9.]{1,16}/[A-Za-z0-9.]{1,16}$"
PAIR_OR_ASSET = r"^[A-Za-z0-9.]{1,16}(/[A-Za-z0-9.]{1,16})?$"
WORD = r"^[a-z_]{1,32}$"

_AMOUNT = re.compile(AMOUNT)
#: Decimal exponents of the largest and the finest amount that an order may name: no asset comes near either.
_LARGEST, _FINEST = 18, -38


def read_amount(raw: str) -> Decimal | None:
    """A plain decimal: no sign, no exponent. None for anything else."""
    return Decimal(raw) if _AMOUNT.fullmatch(raw) else None


def is_usable(value: Decimal) -> bool:
    """Finite, and of a size and precision that exact arithmetic can carry."""
    if not value.is_finite():
        return False
    size = value.adjusted()
    if size > _LARGEST and value:
        return False
    # It has no more digits than letters: what is short is fine, and to count its digits takes longer.
    if size - len(str(value)) + 1 >= _FINEST:
        return True
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= _FINEST


def usable(value: Decimal) -> Decimal:
    """Raises InvalidValueError unless `is_usable`: a few characters can name a number that fills the memory."""
    if not is_usable(value):
        raise InvalidValueError("a number that cannot be computed with")
    return value


def nearest_usable(value: Decimal) -> Decimal:
    """A finite number as it is, or the nearest that `is_usable`."""
    if is_usable(value):
        return value
    largest = Decimal(1).scaleb(_LARGEST)
    within = min(max(value, -largest), largest)
    return within.quantize(Decimal(1).scaleb(_FINEST), context=Context(prec=_LARGEST - _FINEST + 2))


def usable_time(time_ns: int) -> int:
    """The time of something outside. Raises InvalidValueError for one that no row can hold."""
    if not 0 <= time_ns <= TIME_NS_MAX:
        raise InvalidValueError("a time before 1970 or after the year 2200: is it in another unit?")
    return time_ns


def count_within(value: int | None, most: int) -> int | None:
    """A count that somebody else told us; None where it cannot be."""
    return value if value is not None and 0 <= value <= most else None


K = TypeVar("K")
V = TypeVar("V")


class FrozenMapping(Mapping[K, V]):
    """Read-only, hashable, in the order it was written."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: K) -> V:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return f"FrozenMapping({self._items!r})"
