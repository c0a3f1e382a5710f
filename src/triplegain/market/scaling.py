"""Written numbers as whole steps (ticks, lots), exactly and fast: no binary float, no Decimal on the usual path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.values import INTEGER_MAX

#: A decimal that has been through binary floats and a few sums is off by less than this share of itself.
_DUST = Decimal("1e-14")
_MOST_DUST = Decimal("0.125")

#: Prices of archives may be this share of a tick off it: Kraken's own files say 9082.79999 for 9082.8.
_NEAR = Decimal("0.001")

#: Power of ten that no price and no quantity reaches.
_LARGEST = 30

#: No price and no quantity is written with more.
_CHARACTERS_MAX = 100

#: So many digits are within that.
_DIGITS_SURE = _LARGEST

#: Numbers a scale remembers before it starts anew.
_REMEMBERED = 65_536


def is_near_step(steps: Decimal) -> bool:
    """Whether a number of steps means a whole one."""
    return steps.is_finite() and abs(steps - steps.to_integral_value()) <= _NEAR


class _Remembered(dict[str, int]):
    """Asks for what it does not know, and starts anew when it knows much."""

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[str], int]) -> None:
        self._ask = ask

    def __missing__(self, text: str) -> int:
        count = self._ask(text)
        if len(text) > _CHARACTERS_MAX:
            return count
        if len(self) >= _REMEMBERED:
            self.clear()
        self[text] = count
        return count


class Scale:
    """Converts text into a whole number of steps of 10^-places, from `least` to what a row can hold.

    The same prices and sizes are written again and again: `known[text]` is `exact(text)` and remembers.
    """

    __slots__ = ("_after_point", "_least", "_point", "_zeros", "known", "places", "step")

    def __init__(self, step: Decimal, least: int = 0) -> None:
        exponent = step.normalize().as_tuple()
        if exponent.digits != (1,) or not isinstance(exponent.exponent, int) or exponent.exponent > 0:
            raise InvalidValueError(f"a step must be 1, 0.1, 0.01 and so on, this is {step}")
        self.step = step
        self.places = -exponent.exponent
        self._zeros = "0" * self.places
        self._point = -1 - self.places
        self._after_point = -self.places or None
        self._least = least
        self.known = _Remembered(self._exact)

    def exact(self, text: str) -> int:
        """Steps in `text`. Raises InvalidValueError if it is no number, negative or between two steps."""
        return self.known[text]

    def usual(self, text: str) -> int:
        """As `exact`, for numbers that are seldom the same and have all their places: 0.00000001 at a step of 1e-8."""
        count = self._all_places(text)
        return count if self._least <= count <= INTEGER_MAX else self.exact(text)

    def _exact(self, text: str) -> int:
        count = self._all_places(text)
        if count < 0:
            count = self._plain(text)
        return self._countable(count if count >= 0 else self._whole(text), text)

    def _all_places(self, text: str) -> int:
        """Steps in digits with a point before just the step's places, which is what venues write; -1 for others."""
        if text[self._point : self._after_point] != ".":
            return -1
        digits = text.replace(".", "", 1)
        # One more point, a sign or another script is none of that.
        sure = digits.isdecimal() and digits.isascii() and self.places < len(digits) <= _DIGITS_SURE
        return int(digits) if sure else -1

    def nearest(self, text: str) -> int:
        """Steps in a number from an archive: a thousandth of a step is forgiven, more is refused."""
        plain = self._plain(text)
        if plain >= 0:
            return self._countable(plain, text)
        value = self._steps(text)
        count = value.to_integral_value(ROUND_HALF_EVEN)
        if not is_near_step(value):
            raise InvalidValueError(f"{text} is not a multiple of {self.step}")
        return self._countable(int(count), text)

    def floor(self, text: str) -> int:
        """Whole steps in `text`, cut down; binary dust just under a step counts as that step."""
        plain = self._plain(text)
        if plain >= 0:
            return self._countable(plain, text)
        value = self._steps(text)
        return self._countable(int((value + min(value * _DUST, _MOST_DUST)).to_integral_value(ROUND_FLOOR)), text)

    def _countable(self, count: int, text: str) -> int:
        if count > INTEGER_MAX:
            raise InvalidValueError(f"{text[:40]} is more than can be kept")
        if count < self._least:
            raise InvalidValueError(f"the price {text[:40]} is not above zero")
        return count

    def _plain(self, text: str) -> int:
        """Steps in digits that need at most the step's places, -1 for everything else."""
        whole, _, fraction = text.partition(".")
        missing = self.places - len(fraction)
        if missing < 0 and not fraction[missing:].strip("0"):
            fraction, missing = fraction[:missing], 0
        digits = whole + fraction
        if missing < 0 or not (whole and digits.isdecimal() and digits.isascii()) or len(digits) > 2 * _LARGEST:
            return -1
        return int(digits + self._zeros[:missing])

    def _whole(self, text: str) -> int:
        value = self._steps(text)
        if value != value.to_integral_value():
            raise InvalidValueError(f"{text} is not a multiple of {self.step}")
        return int(value)

    def _steps(self, text: str) -> Decimal:
        if len(text) > _CHARACTERS_MAX:
            raise InvalidValueError(f"{text[:20]} goes on for {len(text):,} characters")
        try:
            # Decimal also reads digits of other scripts and underscores between them: no venue writes such.
            value = Decimal(text if text.isascii() and "_" not in text else "?")
        except InvalidOperation:
            raise InvalidValueError(f"{text!r} is not a number") from None
        if not value.is_finite():
            raise InvalidValueError(f"{text} is not a finite number")
        if value < 0:
            raise InvalidValueError(f"{text} is negative")
        if value and value.adjusted() > _LARGEST:
            raise InvalidValueError(f"{text[:20]} is too large")
        return value.scaleb(self.places)


def with_fitting_tick(instrument: Instrument, prices: Iterable[str]) -> Instrument:
    """The instrument itself if all prices lie on its tick, else one with the tick they need.

    Raises InvalidValueError for what is no price.
    """
    scale = Scale(instrument.tick)
    needed = 0
    for text in prices:
        try:
            scale.exact(text)
        except InvalidValueError:
            needed = max(needed, _places(text))
    if needed <= scale.places:
        return instrument
    return replace(instrument, tick=Decimal(1).scaleb(-needed))


def _places(text: str) -> int:
    try:
        exponent = Decimal(text).normalize().as_tuple().exponent
    except InvalidOperation:
        raise InvalidValueError(f"{text!r} is not a number") from None
    if not isinstance(exponent, int):
        raise InvalidValueError(f"{text} is not a finite number")
    return -exponent
