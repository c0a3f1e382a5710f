"""The candle that is still open, made of trades or of finer candles, and the closed ones it leaves behind."""

from __future__ import annotations

from triplegain.domain.market import Candle
from triplegain.market.candles.candles import LONGEST_QUIET_NS
from triplegain.market.candles.timeframe import Timeframe

_NOT_BEGUN = -1

#: Open, high, low, close in ticks.
Prices = tuple[int, int, int, int]


class UnfinishedCandle:
    """One open candle. An interval without trades is flat at the last price, as on Kraken; it lends no price to a

    longer candle: that one opens with its first trade. A candle whose beginning was not seen is never told as closed.
    """

    __slots__ = ("is_whole", "known_before_ns", "level", "open_ns", "prices", "symbol", "timeframe", "trades", "volume")

    def __init__(self, symbol: str, timeframe: Timeframe) -> None:
        self.symbol = symbol
        self.timeframe = timeframe
        self.open_ns = _NOT_BEGUN
        #: Every trade since `open_ns` is in it.
        self.is_whole = False
        #: Trades before this time are in it already.
        self.known_before_ns = _NOT_BEGUN
        #: The last price before this candle; None until there is one.
        self.level: int | None = None
        self.prices: Prices | None = None
        self.volume = 0
        self.trades = 0

    @property
    def has_begun(self) -> bool:
        return self.open_ns != _NOT_BEGUN

    @property
    def close_ns(self) -> int:
        return self.open_ns + self.timeframe.length_ns

    @property
    def candle(self) -> Candle | None:
        """As it stands; None without a trade, or if its beginning was not seen."""
        return self._candle(self.prices) if self.is_whole and self.prices is not None else None

    def begin(self, time_ns: int) -> None:
        """From here on everything is seen."""
        self.open_ns = self.timeframe.start(time_ns)
        self.is_whole = self.open_ns == time_ns

    def add(self, time_ns: int, prices: Prices, volume: int, trades: int) -> None:
        """A trade or finer candle of this interval; one from before it, or already in it, is passed over."""
        if time_ns < self.open_ns or time_ns < self.known_before_ns:
            return
        if self.prices is None:
            self.prices = prices
        else:
            first, highest, lowest, _ = self.prices
            _, high, low, close = prices
            self.prices = (first, max(highest, high), min(lowest, low), close)
        self.volume += volume
        self.trades += trades

    def take(self, candle: Candle) -> list[Candle]:
        """A finer or equal candle, closed; ours that are closed by then, oldest first."""
        closed = self.take_open(candle)
        return closed + self.advance(candle.close_time_ns)

    def take_open(self, candle: Candle) -> list[Candle]:
        """The same with one that is itself still open."""
        if not self.has_begun or self.is_empty:
            self.begin(candle.open_time_ns)
        closed = self.advance(candle.open_time_ns)
        if candle.volume or candle.trades or candle.high > candle.low:
            prices = (candle.open, candle.high, candle.low, candle.close)
            self.add(candle.open_time_ns, prices, candle.volume, candle.trades)
        elif self.prices is None:
            self.level = candle.close
        return closed

    @property
    def is_empty(self) -> bool:
        """Nothing was ever seen."""
        return self.prices is None and self.level is None

    def advance(self, time_ns: int) -> list[Candle]:
        """Time passes: candles that are closed by then, oldest first. More than a day of silence is a hole."""
        closed: list[Candle] = []
        if time_ns < self.close_ns or not self.has_begun:
            return closed
        if self.prices is not None:
            self._close(closed)
        start = self.timeframe.start(time_ns)
        if start - self.open_ns > max(LONGEST_QUIET_NS, self.timeframe.length_ns):
            self.level = None
            self.begin(time_ns)
        elif self.level is None:
            self.is_whole = self.is_whole or start > self.open_ns
            self.open_ns = start
        while time_ns >= self.close_ns:
            self._close(closed)
        return closed

    def _close(self, closed: list[Candle]) -> None:
        prices = self.prices
        if prices is None:
            level = self.level
            assert level is not None
            prices = (level, level, level, level)
        if self.is_whole:
            closed.append(self._candle(prices))
        self.level = prices[3]
        self.open_ns = self.close_ns
        self.is_whole = True
        self.prices = None
        self.volume = self.trades = 0

    def _candle(self, prices: Prices) -> Candle:
        return Candle(self.symbol, self.open_ns, self.timeframe.length_ns, *prices, self.volume, self.trades)
