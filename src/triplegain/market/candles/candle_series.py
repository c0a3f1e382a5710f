"""The closed candles of one timeframe with their indicators."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle
from triplegain.market.candles.candles import empty_candles
from triplegain.market.candles.timeframe import Timeframe
from triplegain.market.indicators.indicator import CandleColumns, bar_of
from triplegain.market.indicators.suite import IndicatorStream, IndicatorSuite, Reading


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
        self._open, self._high, self._low, self._close = (array("q") for _ in range(4))
        self._trades = array("q")
        # Lots of a cheap coin outgrow 64 bits.
        self._volume: list[int] = []
        self._columns = self._open, self._high, self._low, self._close, self._volume, self._trades

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
        row = candle.open, candle.high, candle.low, candle.close, candle.volume, candle.trades
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)
        block = self._blocks.start(candle.open_time_ns)
        if candle.open_time_ns != block:
            return False
        return self._forget_before(block - self._blocks.length_ns)

    def rows(self, from_ns: int, to_ns: int) -> tuple[list[int], ...]:
        """Columns of the candles that open in [from, to)."""
        first, end = ((time_ns - self.first_open_ns) // self.timeframe.length_ns for time_ns in (from_ns, to_ns))
        return tuple(list(column[max(first, 0) : max(end, 0)]) for column in self._columns)

    def extend(self, open_ns: int, columns: Sequence[Sequence[int]]) -> None:
        """The next candles, as `rows` gives them. Raises InvalidValueError for columns that are not theirs."""
        if not len(self):
            self.first_open_ns = open_ns
        counts = {len(column) for column in columns}
        if open_ns != self.end_ns or len(columns) != len(self._columns) or len(counts) != 1:
            raise InvalidValueError(f"{self.symbol} {self.timeframe.name}: these candles do not follow the ones before")
        for column, values in zip(self._columns, columns, strict=True):
            column.extend(values)

    def clear(self) -> None:
        for column in self._columns:
            del column[:]

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


#: With more candles than this to catch up with, opening the streams anew is quicker.
_STEPS_MAX = 48


class CandleSeries:
    """Indicators are computed when somebody asks, from `history` and nothing else: candle by candle where only few

    came since, and on the whole history else. Both give the same bits.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, keep: int, suite: IndicatorSuite) -> None:
        self.timeframe = timeframe
        self.history = CandleHistory(symbol, timeframe, keep)
        self._suite = suite
        self._stream: IndicatorStream | None = None
        #: End of the candles the stream has seen.
        self._seen_ns = 0
        #: Changes when candles are replaced or forgotten; as long as it stays, candles were only added.
        self.edition = 0
        #: Times during which trades may be missing: [from, to).
        self.doubts: list[tuple[int, int]] = []
        #: Since when that is so now; None while it is not.
        self.doubtful_since_ns: int | None = None

    def append(self, candle: Candle, *, fills: bool = True) -> None:
        """Take a closed candle. Missing ones before it are flat where it `fills`, up to a day; else all before is
        forgotten."""
        history = self.history
        if len(history) and candle.open_time_ns != history.end_ns:
            if candle.open_time_ns < history.end_ns:
                return
            missing = empty_candles(history.candle(len(history) - 1), candle.open_time_ns) if fills else []
            if not missing:
                history.clear()
                self._anew()
            for each in missing:
                self.append(each)
        if history.append(candle):
            self._anew()

    def replace(self, candles: Sequence[Candle]) -> None:
        """Candles known better than those we have for the same time; ours before and after stay."""
        history = self.history
        first, end = candles[0].open_time_ns, candles[-1].close_time_ns
        self.believe(first, end)
        if len(history) and first >= history.end_ns:
            for candle in candles:
                self.append(candle)
            return
        ours = list(history)
        before = [candle for candle in ours if candle.open_time_ns < first]
        after = [candle for candle in ours if candle.open_time_ns >= end]
        merged = [*before, *candles, *after]
        if merged == ours:
            return
        history.clear()
        self._anew()
        for candle in merged:
            self.append(candle)

    def lose_sight(self, since_ns: int) -> None:
        """Trades may be missing from this time on."""
        if self.doubtful_since_ns is None:
            self.doubtful_since_ns = since_ns

    def see_again(self, time_ns: int) -> None:
        """Trades are complete from this time on."""
        since = self.doubtful_since_ns
        if since is not None:
            known_from = self.history.first_open_ns
            self.doubts = [doubt for doubt in self.doubts if doubt[1] > known_from]
            if since < time_ns:
                self.doubts.append((since, time_ns))
            self.doubtful_since_ns = None

    def believe(self, from_ns: int, to_ns: int) -> None:
        """Everything in this time is known after all."""
        self.doubts = [part for doubt in self.doubts for part in _without(doubt, from_ns, to_ns)]
        since = self.doubtful_since_ns
        if since is not None and from_ns <= since < to_ns:
            self.doubtful_since_ns = to_ns

    def doubtful(self, count: int) -> int:
        """How many of the latest `count` closed candles may lack trades."""
        history, since = self.history, self.doubtful_since_ns
        doubts = self.doubts if since is None else [*self.doubts, (since, history.end_ns)]
        if not doubts:
            return 0
        length = self.timeframe.length_ns
        rows = range(max(0, len(history) - count), len(history))
        opens = (history.first_open_ns + row * length for row in rows)
        return sum(any(start < at + length and at < end for start, end in doubts) for at in opens)

    def reading(self) -> Reading:
        """Every indicator at the last closed candle; all None without one."""
        history = self.history
        if not len(history):
            return dict.fromkeys(self._suite.names)
        length = self.timeframe.length_ns
        new = (history.end_ns - self._seen_ns) // length
        if self._stream is None or new > _STEPS_MAX:
            self._stream = self._suite.open(history.columns())
        else:
            for candle in history.last(new):
                self._stream.update(bar_of(candle))
        self._seen_ns = history.end_ns
        return self._stream.reading()

    def _anew(self) -> None:
        self._stream = None
        self.edition += 1


def _without(doubt: tuple[int, int], start: int, end: int) -> list[tuple[int, int]]:
    """What is left of a doubt when everything from `start` to `end` is known."""
    parts = [(doubt[0], min(doubt[1], start)), (max(doubt[0], end), doubt[1])]
    return [part for part in parts if part[0] < part[1]]
