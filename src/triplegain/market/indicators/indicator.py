"""What an indicator is: its names and units, how it begins with a history, and how it goes on candle by candle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

import numpy as np
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

    #: Its values at the last of them, NaN where there is none.
    values: tuple[float, ...]

    def update(self, bar: Bar) -> object:
        """Take the next closed candle."""
        ...


@dataclass(frozen=True, slots=True)
class Indicator:
    """`names` and `units` of its values; `candles` is how many it needs before all of them are known."""

    names: tuple[str, ...]
    units: tuple[Unit, ...]
    candles: int
    #: A stream that has seen the columns.
    open: Callable[[CandleColumns], Stream]


def filled(length: int, value: float = np.nan) -> Array:
    return np.full(length, value, dtype=np.float64)


class Handle:
    """One stream handle of TA-Lib over columns of numbers; a column may begin with NaN.

    It opens as soon as `needed` rows without NaN have come; before, its `width` values are NaN.

    It gives the same bits as the batch function from there on. It cannot be stored: it is opened again on the same
    candles.
    """

    def __init__(
        self, function: str, parameters: tuple[float, ...], columns: tuple[Array, ...], needed: int, width: int = 1
    ) -> None:
        self._open: Callable[..., Any] = getattr(talib.stream, function)
        self._parameters = parameters
        self._needed = needed
        start = _first_row(columns)
        #: Rows that wait until there are enough; None once the handle is open.
        self._waiting: list[tuple[float, ...]] | None = None
        self._handle: Any = None
        self.values: tuple[float, ...] = (math.nan,) * width
        if len(columns[0]) - start >= needed:
            self._handle = self._open(*columns, *parameters)
            self.values = _as_tuple(self._handle.value)
        else:
            self._waiting = list(zip(*(column[start:].tolist() for column in columns), strict=True))

    @property
    def is_open(self) -> bool:
        return self._waiting is None

    def update(self, *row: float) -> tuple[float, ...]:
        """The next row. A NaN is passed over while the column has not begun."""
        if self._waiting is None:
            value = self._handle.update(*row)
            self.values = value if isinstance(value, tuple) else (value,)
        elif not any(map(math.isnan, row)):
            self._waiting.append(row)
            if len(self._waiting) == self._needed:
                columns = [np.array(column, dtype=np.float64) for column in zip(*self._waiting, strict=True)]
                self._handle = self._open(*columns, *self._parameters)
                self._waiting = None
                self.values = _as_tuple(self._handle.value)
        return self.values


@dataclass(frozen=True, slots=True)
class Call:
    """A function of TA-Lib over columns of the candles; `candles` are its look-back and one."""

    function: str
    inputs: tuple[str, ...]
    parameters: tuple[float, ...]
    candles: int


#: What is made of a candle and the values of the calls at it.
Formula = Callable[..., tuple[float, ...]]


def talib_indicator(
    names: tuple[str, ...], units: tuple[Unit, ...], *calls: Call, formula: Formula | None = None
) -> Indicator:
    """Of functions of TA-Lib: the values of the only one as they are, or what the formula makes of those of all."""

    def opened(columns: CandleColumns) -> Stream:
        fed = [_Fed(columns, call, len(names)) for call in calls]
        return fed[0] if formula is None else _Made(columns, fed, len(names), formula)

    return Indicator(names, units, max(call.candles for call in calls), opened)


class _Fed:
    """A handle fed with the right columns of a candle."""

    __slots__ = ("_place", "_places", "handle", "values")

    def __init__(self, columns: CandleColumns, call: Call, width: int) -> None:
        inputs = tuple(getattr(columns, name) for name in call.inputs)
        self.handle = Handle(call.function, call.parameters, inputs, call.candles, width)
        self._places = [Bar._fields.index(name) for name in call.inputs]
        self._place = self._places[0] if len(self._places) == 1 else None
        self.values = self.handle.values

    def update(self, bar: Bar) -> tuple[float, ...]:
        if self._place is not None:
            self.values = self.handle.update(bar[self._place])
        else:
            self.values = self.handle.update(*[bar[place] for place in self._places])
        return self.values


class _Made:
    """A formula over several of them; nothing is known before all are open."""

    def __init__(self, columns: CandleColumns, fed: Sequence[_Fed], width: int, formula: Formula) -> None:
        self._fed = fed
        self._formula = formula
        self._unknown = (math.nan,) * width
        self._is_known = False
        self.values = self._made(columns.since(len(columns) - 1).bars()[0], [each.values for each in fed])

    def update(self, bar: Bar) -> None:
        self.values = self._made(bar, [each.update(bar) for each in self._fed])

    def _made(self, bar: Bar, values: list[tuple[float, ...]]) -> tuple[float, ...]:
        self._is_known = self._is_known or all(each.handle.is_open for each in self._fed)
        return self._formula(bar, *values) if self._is_known else self._unknown


def _as_tuple(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else (values,)


def _first_row(columns: tuple[Array, ...]) -> int:
    """The first row without NaN."""
    known = ~np.isnan(columns[0])
    for column in columns[1:]:
        known &= ~np.isnan(column)
    return int(np.argmax(known)) if known.any() else len(known)
