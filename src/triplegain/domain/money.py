"""Exact money.

Inside the ledger and the exchange an amount of any asset is an integer number of *atoms*, 10^-18 of that asset.
A tick times a lot of every supported instrument is a whole number of atoms, so the worth of a fill is exact before it
is rounded to the steps in which the exchange tells costs and fees and keeps balances. At the edges an amount is a
`Decimal`; text never shows an exponent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, Inexact, InvalidOperation, localcontext
from functools import lru_cache, reduce

from triplegain.domain.errors import InvalidValueError

ATOM_DECIMALS = 18
ATOMS_PER_UNIT = 10**ATOM_DECIMALS

#: Wide enough for every amount; raises instead of rounding.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])

_ZERO, _ONE, _TEN = Decimal(0), Decimal(1), Decimal(10)
_ATOM = Decimal(1).scaleb(-ATOM_DECIMALS)


def atoms(amount: Decimal) -> int:
    """`amount` in atoms. Raises InvalidValueError if it is not finite or finer than an atom."""
    if not amount.is_finite():
        raise InvalidValueError(f"an amount must be a finite number, this is {amount}")
    try:
        return int(EXACT.to_integral_exact(EXACT.scaleb(amount, ATOM_DECIMALS)))
    except Inexact:
        raise InvalidValueError(f"{amount} has more than {ATOM_DECIMALS} decimals") from None


def whole_atoms(amount: Decimal) -> int:
    """A finite amount in atoms, cut: never more than it is."""
    return int(EXACT.divide_int(amount, _ATOM))


@lru_cache(maxsize=4096)
def from_atoms(count: int) -> Decimal:
    """The exact amount, without trailing zeros."""
    return plain(EXACT.scaleb(Decimal(count), -ATOM_DECIMALS))


def plain(value: Decimal) -> Decimal:
    """The same value without exponent and without trailing zeros (`1E+2` becomes `100`, `0.50` becomes `0.5`)."""
    normal = EXACT.normalize(value)
    if not normal:
        return _ZERO
    # Only multiples of ten can have been left with a positive exponent.
    return normal if EXACT.remainder(normal, _TEN) else EXACT.quantize(normal, _ONE)


def text(value: Decimal) -> str:
    """Canonical text of an exact number, as stored, hashed and sent: no exponent, no trailing zeros."""
    return format(plain(value), "f")


@lru_cache(maxsize=256)
def steps_text(step: Decimal) -> Callable[[int], str]:
    """What writes a number of whole steps as `text` writes the amount: for the many at once, without a `Decimal` each.

    `step` is above zero.
    """
    normal = EXACT.normalize(step)
    exponent = int(normal.as_tuple().exponent)
    each, places = int(EXACT.scaleb(normal, -exponent)) * 10 ** max(exponent, 0), max(-exponent, 0)
    unit = 10**places

    def written(count: int) -> str:
        whole, rest = divmod(abs(count) * each, unit)
        sign = "-" if count < 0 else ""
        return f"{sign}{whole}.{rest:0{places}d}".rstrip("0") if rest else f"{sign}{whole}"

    return written


def parse(raw: str | int | Decimal, what: str = "number") -> Decimal:
    """An exact finite number from outside. Floats are not accepted: they have already lost digits."""
    if isinstance(raw, (bool, float)):
        raise InvalidValueError(f"{what} must be written as text or a whole number, not as a float: {raw!r}")
    try:
        value = Decimal(raw)
    except InvalidOperation:
        raise InvalidValueError(f"{what} is not a number: {raw!r}") from None
    if not value.is_finite():
        raise InvalidValueError(f"{what} must be finite: {raw!r}")
    return value


def exact_sum(parts: Iterable[Decimal]) -> Decimal:
    """Not a digit lost."""
    return reduce(EXACT.add, parts, Decimal(0))


def divide(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient to 28 digits, for averages and ratios that are shown, never booked."""
    with localcontext(prec=28):
        return numerator / denominator


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`."""
    with localcontext(prec=60):
        return plain((value / step).to_integral_value(ROUND_FLOOR) * step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `value`."""
    with localcontext(prec=60):
        return plain((value / step).to_integral_value(ROUND_CEILING) * step)
