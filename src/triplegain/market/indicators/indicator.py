"""What an indicator is: its names and units, how a whole history is computed, and how it goes on candle by candle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from triplegain.market.indicators.columns import Array, Bar, CandleColumns


class Unit(Enum):
    """How a value leaves the room of ticks and lots."""

    PRICE = "price"
    QUANTITY = "quantity"
    NUMBER = "number"
    FLAG = "flag"


class Stream(Protocol):
    """An indicator that has seen every candle up to now."""

    def update(self, bar: Bar) -> tuple[float, ...]:
        """Take the next closed candle; the indicator's values at it, NaN where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Indicator:
    """`names` and `units` of its values; `candles` is how many it needs before all of them are known."""

    names: tuple[str, ...]
    units: tuple[Unit, ...]
    candles: int
    #: One array per name, as long as the columns.
    table: Callable[[CandleColumns], tuple[Array, ...]]
    #: A stream that has seen the columns, and its values at their last candle.
    open: Callable[[CandleColumns], tuple[Stream, tuple[float, ...]]]


def filled(length: int, value: float = np.nan) -> Array:
    return np.full(length, value, dtype=np.float64)
