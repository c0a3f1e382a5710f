"""The arithmetic of the risk room: which numbers it takes, and how it computes with them."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from triplegain.domain.money import EXACT

#: Wide enough for the product of any two amounts that are taken; a quotient is cut, never rounded up.
RISK_CONTEXT = Context(prec=60, rounding=ROUND_FLOOR, traps=[InvalidOperation, DivisionByZero, Overflow])

#: No price, quantity or equity is as large as ten to this power, or as small as one over it.
_MAGNITUDE_MAX = 24
_ZERO, _MOST = Decimal(0), Decimal(10) ** _MAGNITUDE_MAX


def is_usable(value: Decimal) -> bool:
    """Finite, of a size that something in the world has, and of no more digits than exact money may have."""
    if not value.is_finite():
        return False
    if value and not -_MAGNITUDE_MAX <= value.adjusted() <= _MAGNITUDE_MAX:
        return False
    try:
        EXACT.plus(value)
    except Inexact:
        return False
    return True


def known(value: Decimal | None) -> Decimal | None:
    """`value`, or None for unknown where it is no usable number."""
    return value if value is not None and is_usable(value) else None


def floor_divide(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient rounded down; 0 for a numerator below zero, and never more than anything in the world."""
    return min(_MOST, max(_ZERO, RISK_CONTEXT.divide(numerator, denominator)))
