"""The closed candles of one timeframe, column by column."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle
from triplegain.market.candles.timeframe import Timeframe
from triplegain.market.indicators.indicator import Bar, CandleColumns


class CandleHistory:
    """Between `keep` and twice `keep` candles once there are so many.

    The first one kept is the start of the block of `keep` candles before the current block; blocks are counted from
    1970, whenever we began. So the same market leaves the same candles here, however often we were restarted.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, keep: int) -> None:
        self.symbol = symbol
        self.timeframe = timeframe
        self.keep = keep
        self._blocks = Timeframe("", keep * timeframe.length_ns, timeframe.offset_ns)
        self.first_open_ns = 0
        #: Close of the last candle.
        self.end_ns = 0
        self._open, self._high, self._low, self._close = (array("q") for _ in range(4))
        self._trades = array("q")
        # Lots of a cheap coin outgrow 64 bits.
        self._volume: list[int] = []
        self._columns = self._open, self._high, self._low, self._close, self._volume, self._trades

    def __len__(self) -> int:
        return len(self._volume)

    def append(self, candle: Candle) -> bool:
        """Take the candle that begins at `end_ns`, or any one at first; True if old ones had to go for it."""
        if not self._volume:
            self.first_open_ns = candle.open_time_ns
        elif candle.open_time_ns != self.end_ns:
            raise InvalidValueError(f"{self.symbol} {self.timeframe.name}: a candle is missing before the next one")
        row = candle.open, candle.high, candle.low, candle.close, candle.volume, candle.trades
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        self.end_ns = candle.open_time_ns + self.timeframe.length_ns
        return self.begins_block(candle) and self._forget_before(candle.open_time_ns - self._blocks.length_ns)

    def begins_block(self, candle: Candle) -> bool:
        """With such a candle old ones may go."""
        return self._blocks.start(candle.open_time_ns) == candle.open_time_ns

    def rows(self, from_ns: int, to_ns: int) -> tuple[list[int], ...]:
        """Columns of the candles that open in [from, to)."""
        first, end = ((time_ns - self.first_open_ns) // self.timeframe.length_ns for time_ns in (from_ns, to_ns))
        return tuple(list(column[max(first, 0) : max(end, 0)]) for column in self._columns)

    def extend(self, open_ns: int, columns: Sequence[Sequence[int]]) -> None:
        """The next candles, as `rows` gives them. Raises InvalidValueError for columns that are not theirs."""
        if not len(self):
            self.first_open_ns = self.end_ns = open_ns
        counts = {len(column) for column in columns}
        if open_ns != self.end_ns or len(columns) != len(self._columns) or len(counts) != 1:
            raise InvalidValueError(f"{self.symbol} {self.timeframe.name}: these candles do not follow the ones before")
        for column, values in zip(self._columns, columns, strict=True):
            column.extend(values)
        self.end_ns = self.first_open_ns + len(self) * self.timeframe.length_ns

    def clear(self) -> None:
        for column in self._columns:
            del column[:]
        self.end_ns = self.first_open_ns

    def _forget_before(self, time_ns: int) -> bool:
        gone = (time_ns - self.first_open_ns) // self.timeframe.length_ns
        if gone <= 0:
            return False
        for column in self._columns:
            del column[:gone]
        self.first_open_ns += gone * self.timeframe.length_ns
        return True

    def candle(self, row: int) -> Candle:
        """The candle of a row, 0 the oldest."""
        length = self.timeframe.length_ns
        return Candle(
            self.symbol, self.first_open_ns + row * length, length, *(column[row] for column in self._columns)
        )

    def last(self, count: int) -> list[Candle]:
        """The latest so many, or as many as there are, oldest first."""
        return [self.candle(row) for row in range(max(0, len(self) - count), len(self))]

    def __iter__(self) -> Iterator[Candle]:
        return iter(self.last(len(self)))

    def columns(self, end_ns: int) -> CandleColumns:
        """Up to a close, for the indicators; of at least one candle."""
        step, rows = self.timeframe.length_ns, slice(0, self._row(end_ns))
        times = np.arange(self.first_open_ns, end_ns, step, dtype=np.int64)
        columns = self._high, self._low, self._close, self._volume
        return CandleColumns(step, times, *(np.array(column[rows], dtype=np.float64) for column in columns))

    def bars(self, from_ns: int, end_ns: int) -> list[Bar]:
        """Those after a close up to another one, oldest first, as the indicators take them."""
        step, first, end = self.timeframe.length_ns, self._row(from_ns), self._row(end_ns)
        high, low, close, volume = self._high, self._low, self._close, self._volume
        if end == first + 1:
            return [Bar(from_ns, float(high[first]), float(low[first]), float(close[first]), float(volume[first]))]
        columns = (map(float, column[first:end]) for column in (high, low, close, volume))
        return list(map(Bar, range(from_ns, end_ns, step), *columns))

    def _row(self, time_ns: int) -> int:
        """Of the candle that opens then."""
        return (time_ns - self.first_open_ns) // self.timeframe.length_ns

    def close_at(self, end_ns: int) -> int:
        """The price of a close, in ticks."""
        return self._close[self._row(end_ns) - 1]

    @property
    def last_close(self) -> int:
        """Close of the latest candle, in ticks; of at least one candle."""
        return self._close[len(self) - 1]

    def window(self, count: int) -> tuple[int, int, int, int]:
        """First open, highest high, lowest low and volume of the latest `count` candles."""
        rows = slice(len(self) - count, None)
        return (
            self._open[len(self) - count],
            max(self._high[rows]),
            min(self._low[rows]),
            sum(self._volume[rows]),
        )

    def quiet_candles(self) -> int:
        """How many of the latest candles have no trade, one after the other."""
        quiet = 0
        for volume in reversed(self._volume):
            if volume:
                break
            quiet += 1
        return quiet
