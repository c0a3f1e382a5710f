"""TA-Lib's functions as indicators: its batch functions, and its stream handles for one candle at a time.

A handle opens on enough history and gives the same bits as the batch function from there on. It cannot be stored:
it is opened again on the same candles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import talib
import talib.stream

from triplegain.market.indicators.columns import Array, Bar, CandleColumns
from triplegain.market.indicators.indicator import Indicator, Stream, Unit


class Handle:
    """One stream handle of TA-Lib over columns of numbers; a column may begin with NaN.

    It opens as soon as `needed` rows without NaN have come; before, its values are NaN.
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
