"""Prices of the past that are finer than what is traded today."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.market.scaling import Scale


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
