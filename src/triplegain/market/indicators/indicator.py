"""What an indicator is: its names and units, how a whole history is computed, and how it goes on candle by candle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

import numpy as np
import talib
import talib.stream
from numpy.typing import NDArray

from triplegain.domain.market import Candle

Array = NDArray[np.float64]


class Bar(NamedTuple):
    """One candle of the columns: prices in ticks, volume in lots."""

    open_time_ns: int
    high: float
    low: float
    close: float
    volume: float


def bar_of(candle: Candle) -> Bar:
    return Bar(candle.open_time_ns, float(candle.high), float(candle.low), float(candle.close), float(candle.volume))


@dataclass(frozen=True, slots=True)
class CandleColumns:
    """Contiguous candles of one length; all columns have the same number of rows."""

    length_ns: int
    open_time_ns: NDArray[np.int64]
    high: Array
    low: Array
    close: Array
    volume: Array

    @classmethod
    def of(cls, candles: Sequence[Candle]) -> CandleColumns:
        """Of at least one candle."""
        rows = [bar_of(candle) for candle in candles]
        times = np.array([row.open_time_ns for row in rows], dtype=np.int64)
        numbers = np.array([row[1:] for row in rows], dtype=np.float64)
        high, low, close, volume = (np.ascontiguousarray(column) for column in numbers.T)
        return cls(candles[0].length_ns, times, high, low, close, volume)

    def __len__(self) -> int:
        return len(self.close)

    def since(self, row: int) -> CandleColumns:
        """The rows from this one on."""
        numbers = (column[row:] for column in (self.high, self.low, self.close, self.volume))
        return CandleColumns(self.length_ns, self.open_time_ns[row:], *numbers)

    def bars(self) -> list[Bar]:
        columns = (self.open_time_ns, self.high, self.low, self.close, self.volume)
        return [Bar(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


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


class Handle:
    """One stream handle of TA-Lib over columns of numbers; a column may begin with NaN.

    It opens as soon as `needed` rows without NaN have come; before, its values are NaN.

    It gives the same bits as the batch function from there on. It cannot be stored: it is opened again on the same
    candles.
    """

    def __init__(self, function: str, parameters: tuple[float, ...], columns: tuple[Array, ...], needed: int) -> None:
        self._open: Callable[..., Any] = getattr(talib.stream, function)
        self._parameters = parameters
        self._needed = needed
        start = _first_row(columns)
        #: Rows that wait until there are enough; None once the handle is open.
        self._waiting: list[tuple[float, ...]] | None = None
        self._handle: Any = None
        self.values: tuple[float, ...] = (math.nan,)
        if len(columns[0]) - start >= needed:
            self._handle = self._open(*columns, *parameters)
            self.values = _as_tuple(self._handle.value)
        else:
            self._waiting = list(zip(*(column[start:].tolist() for column in columns), strict=True))

    def update(self, *row: float) -> tuple[float, ...]:
        """The next row. A NaN is passed over while the column has not begun."""
        if self._waiting is None:
            self.values = _as_tuple(self._handle.update(*row))
        elif not any(map(math.isnan, row)):
            self._waiting.append(row)
            if len(self._waiting) == self._needed:
                columns = [np.array(column, dtype=np.float64) for column in zip(*self._waiting, strict=True)]
                self._handle = self._open(*columns, *self._parameters)
                self._waiting = None
                self.values = _as_tuple(self._handle.value)
        return self.values


def talib_indicator(
    names: tuple[str, ...],
    units: tuple[Unit, ...],
    candles: int,
    function: str,
    inputs: tuple[str, ...],
    *parameters: float,
) -> Indicator:
    """A function of TA-Lib as it is; `inputs` are columns, `candles` its look-back and one."""
    batch: Callable[..., Any] = getattr(talib, function)
    places = [Bar._fields.index(name) for name in inputs]

    def table(columns: CandleColumns) -> tuple[Array, ...]:
        return _as_tuple(batch(*(getattr(columns, name) for name in inputs), *parameters))

    def opened(columns: CandleColumns) -> tuple[Stream, tuple[float, ...]]:
        handle = Handle(function, parameters, tuple(getattr(columns, name) for name in inputs), candles)
        stream = _OfBars(handle, places, len(names))
        return stream, stream.values()

    return Indicator(names, units, candles, table, opened)


class _OfBars:
    """A handle fed with the right columns of a candle."""

    def __init__(self, handle: Handle, places: list[int], width: int) -> None:
        self._handle = handle
        self._places = places
        self._width = width

    def update(self, bar: Bar) -> tuple[float, ...]:
        self._handle.update(*[bar[place] for place in self._places])
        return self.values()

    def values(self) -> tuple[float, ...]:
        values = self._handle.values
        return values if len(values) == self._width else values * self._width


def _as_tuple(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else (values,)


def _first_row(columns: tuple[Array, ...]) -> int:
    """The first row without NaN."""
    known = ~np.isnan(columns[0])
    for column in columns[1:]:
        known &= ~np.isnan(column)
    return int(np.argmax(known)) if known.any() else len(known)
