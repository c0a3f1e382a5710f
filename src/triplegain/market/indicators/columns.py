"""Candles as columns of doubles, oldest first: what the indicators are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
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
