"""Candles of one served instrument as Kraken's OHLC shows them: flat where nobody traded, the last one still open."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from triplegain.domain.clock import SECOND_NS
from triplegain.venues.kraken.wire.writer import TapeTrade

#: Minutes of a candle that Kraken offers.
INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)

#: Closed candles that one reply holds at most.
ROWS = 720

_MINUTE_NS = 60 * SECOND_NS
_DAY_MINUTES = 1440


@dataclass(slots=True)
class OpenCandle:
    """Prices in ticks, `volume` in lots, `cost` the sum of price times volume; it opened at `time_ns`."""

    time_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    cost: int = 0
    trades: int = 0

    @property
    def vwap(self) -> int:
        """In ticks, cut down; 0 without volume."""
        return self.cost // self.volume if self.volume else 0

    def add(self, trade: TapeTrade) -> None:
        self.high = max(self.high, trade.price)
        self.low = min(self.low, trade.price)
        self.close = trade.price
        self.volume += trade.quantity
        self.cost += trade.price * trade.quantity
        self.trades += 1


class PastCandles:
    """Candles of one interval that had trades, the newest 721."""

    __slots__ = ("_candles", "length_ns")

    def __init__(self, minutes: int) -> None:
        self.length_ns = minutes * _MINUTE_NS
        self._candles: deque[OpenCandle] = deque(maxlen=ROWS + 1)

    def add(self, trade: TapeTrade) -> OpenCandle:
        """The candle the trade belongs to."""
        start = trade.time_ns // self.length_ns * self.length_ns
        if not self._candles or self._candles[-1].time_ns != start:
            price = trade.price
            self._candles.append(OpenCandle(start, price, price, price, price))
        self._candles[-1].add(trade)
        return self._candles[-1]

    def rows(self, now_ns: int) -> list[OpenCandle]:
        """Up to 720 closed candles without holes and the open one, oldest first."""
        open_ns = now_ns // self.length_ns * self.length_ns
        oldest = open_ns - ROWS * self.length_ns
        return [candle for candle in self._filled(open_ns) if candle.time_ns >= oldest]

    def _filled(self, open_ns: int) -> Iterator[OpenCandle]:
        close, wanted = 0, 0
        for candle in self._candles:
            wanted = max(wanted, open_ns - ROWS * self.length_ns)
            while wanted and close and wanted < candle.time_ns:
                yield OpenCandle(wanted, close, close, close, close)
                wanted += self.length_ns
            yield replace(candle)
            close, wanted = candle.close, candle.time_ns + self.length_ns
        wanted = max(wanted, open_ns - ROWS * self.length_ns)
        while close and wanted <= open_ns:
            yield OpenCandle(wanted, close, close, close, close)
            wanted += self.length_ns


class DayFigures:
    """The last 24 hours by the minute: volume, cost, number of trades, extremes, first price."""

    def __init__(self) -> None:
        self._minutes: deque[OpenCandle] = deque()
        self.volume = 0
        self.cost = 0
        self.trades = 0
        self.low = 0
        self.high = 0

    @property
    def open(self) -> int:
        """Price 24 hours ago, or the first there is."""
        return self._minutes[0].open if self._minutes else 0

    @property
    def vwap(self) -> int:
        return self.cost // self.volume if self.volume else 0

    def add(self, trade: TapeTrade) -> None:
        minute = trade.time_ns // _MINUTE_NS * _MINUTE_NS
        if not self._minutes or self._minutes[-1].time_ns != minute:
            self._turn(minute, trade.price)
        self._minutes[-1].add(trade)
        self.volume += trade.quantity
        self.cost += trade.price * trade.quantity
        self.trades += 1
        self.low = min(self.low, trade.price)
        self.high = max(self.high, trade.price)

    def _turn(self, minute: int, price: int) -> None:
        while self._minutes and self._minutes[0].time_ns <= minute - _DAY_MINUTES * _MINUTE_NS:
            gone = self._minutes.popleft()
            self.volume -= gone.volume
            self.cost -= gone.cost
            self.trades -= gone.trades
        self._minutes.append(OpenCandle(minute, price, price, price, price))
        self.low = min(one.low for one in self._minutes)
        self.high = max(one.high for one in self._minutes)
