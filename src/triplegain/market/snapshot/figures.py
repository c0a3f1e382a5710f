"""Numbers as a snapshot writes them: money exact, indicators rounded to what their unit can mean, no exponents."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

from triplegain.domain.money import EXACT

if TYPE_CHECKING:
    from triplegain.market.snapshot.snapshot import Frame


#: Digits of an indicator's price beyond those of the tick.
_FINER = 2
_NUMBER_PLACES = 4
_QUANTITY_DIGITS = 8

NULL = "null"


class Steps:
    """Whole steps of a tick or lot as exact text, and fractions of steps as rounded numbers."""

    __slots__ = ("_factor", "_places", "_step")

    def __init__(self, step: Decimal) -> None:
        normal = EXACT.normalize(step).as_tuple()
        assert isinstance(normal.exponent, int)
        self._places = max(0, -normal.exponent)
        self._factor = int(EXACT.scaleb(step, self._places))
        self._step = float(step)

    def exact(self, count: int) -> str:
        """`count` steps without trailing zeros: `0.0000235`."""
        places = self._places
        digits = str(count * self._factor)
        if not places:
            return digits
        digits = digits.rjust(places + 1, "0")
        fraction = digits[-places:].rstrip("0")
        return f"{digits[:-places]}.{fraction}" if fraction else digits[:-places]

    def rounded(self, steps: float, finer: int = _FINER) -> str:
        """To a hundredth of a step, or to `finer` places more than the step has."""
        return fixed(steps * self._step, self._places + finer)

    def significant(self, steps: float, digits: int = _QUANTITY_DIGITS) -> str:
        return significant(steps * self._step, digits)


def fixed(value: float, places: int = _NUMBER_PLACES) -> str:
    """Rounded to so many places, without trailing zeros."""
    text = f"{value:.{places}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def significant(value: float, digits: int) -> str:
    """Rounded to so many digits that count; whole digits are never cut."""
    if not value:
        return "0"
    return fixed(value, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


_BPS = 10_000
_DISTANCE_BPS_MAX = 9_999


def figure(frame: Frame | None, name: str) -> float | None:
    """An indicator of the frame as a finite number."""
    value = None if frame is None else frame.indicator(name)
    if value is None or isinstance(value, bool) or not math.isfinite(value):
        return None
    return value


def distance_bps(price: Decimal, level: float | None) -> int | None:
    """From the price to a level, in basis points of the price: above is positive."""
    if level is None:
        return None
    bps = round((level / float(price) - 1) * _BPS)
    return max(-_DISTANCE_BPS_MAX, min(_DISTANCE_BPS_MAX, bps))


def percent(share: float | None) -> int | None:
    """A share from -1 to 1 as a whole percentage."""
    return None if share is None else max(-100, min(100, round(share * 100)))
