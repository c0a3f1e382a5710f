"""Closed candles of one symbol and length without a hole between them, as columns, the latest few thousand."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle
from triplegain.market.candles.timeframe import Timeframe
from triplegain.market.indicators.columns import CandleColumns


class CandleHistory:
    """Between `keep` and twice `keep` candles once there are so many.

    The first one kept is the start of the block of `keep` candles before the current block; blocks are counted from
    1970, whenever we began. So the same market leaves the same candles here, however often we were restarted.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, keep: int) -> None:
        self.symbol = symbol
        self.timeframe = timeframe
        self._blocks = Timeframe("", keep * timeframe.length_ns, timeframe.offset_ns)
        self.first_open_ns = 0
        self._open, self._high, self._low, self._close = (array("q") for _ in range(4))
        self._trades = array("q")
        # Lots of a cheap coin outgrow 64 bits.
        self._volume: list[int] = []

    def __len__(self) -> int:
        return len(self._volume)

    @property
    def end_ns(self) -> int:
        """Close of the last candle."""
        return self.first_open_ns + len(self) * self.timeframe.length_ns

    def append(self, candle: Candle) -> bool:
        """Take the candle that begins at `end_ns`, or any one at first; True if old ones had to go for it."""
        if not len(self):
            self.first_open_ns = candle.open_time_ns
        elif candle.open_time_ns != self.end_ns:
            raise InvalidValueError(f"{self.symbol} {self.timeframe.name}: a candle is missing before the next one")
        self._open.append(candle.open)
        self._high.append(candle.high)
        self._low.append(candle.low)
        self._close.append(candle.close)
        self._trades.append(candle.trades)
        self._volume.append(candle.volume)
        block = self._blocks.start(candle.open_time_ns)
        if candle.open_time_ns != block:
            return False
        return self._forget_before(block - self._blocks.length_ns)

    def clear(self) -> None:
        for column in (self._open, self._high, self._low, self._close, self._trades, self._volume):
            del column[:]

    def _forget_before(self, time_ns: int) -> bool:
        gone = (time_ns - self.first_open_ns) // self.timeframe.length_ns
        if gone <= 0:
            return False
        for column in (self._open, self._high, self._low, self._close, self._trades, self._volume):
            del column[:gone]
        self.first_open_ns += gone * self.timeframe.length_ns
        return True

    def candle(self, row: int) -> Candle:
        """The candle of a row, 0 the oldest."""
        length = self.timeframe.length_ns
        prices = self._open[row], self._high[row], self._low[row], self._close[row]
        time_ns = self.first_open_ns + row * length
        return Candle(self.symbol, time_ns, length, *prices, self._volume[row], self._trades[row])

    def last(self, count: int) -> list[Candle]:
        """The latest so many, or as many as there are, oldest first."""
        return [self.candle(row) for row in range(max(0, len(self) - count), len(self))]

    def __iter__(self) -> Iterator[Candle]:
        return iter(self.last(len(self)))

    def columns(self) -> CandleColumns:
        """For the indicators; of at least one candle."""
        step = self.timeframe.length_ns
        times = np.arange(self.first_open_ns, self.end_ns, step, dtype=np.int64)
        high, low, close = (np.array(column, dtype=np.float64) for column in (self._high, self._low, self._close))
        return CandleColumns(step, times, high, low, close, np.array(self._volume, dtype=np.float64))

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
