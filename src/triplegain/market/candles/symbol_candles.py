"""All candles of one symbol: every timeframe fed with the same trades, finer candles or the exchange's own history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from triplegain.domain.clock import NEVER
from triplegain.domain.market import Candle, PastCandles, PublicTrade
from triplegain.market.candles.candle_series import CandleSeries
from triplegain.market.candles.candles import LONGEST_SILENCE_NS, Prices, grown
from triplegain.market.candles.timeframe import Timeframe
from triplegain.market.candles.trade_run import TradeRun
from triplegain.market.indicators.suite import IndicatorSuite

_NOT_BEGUN = -1


class UnfinishedSeen(Struct, frozen=True):
    """An open candle; see `UnfinishedCandle`."""

    open_ns: int
    is_whole: bool
    known_before_ns: int
    level: int | None
    prices: Prices | None
    volume: int
    trades: int
    newest_ns: int = _NOT_BEGUN


class UnfinishedCandle:
    """One open candle. An interval without trades is flat at the last price, as on Kraken; it lends no price to a

    longer candle: that one opens with its first trade. A candle whose beginning was not seen is never told as closed.
    """

    __slots__ = (
        "is_whole", "known_before_ns", "level", "newest_ns", "open_ns",
        "prices", "symbol", "timeframe", "trades", "volume",
    )  # fmt: skip

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
        #: Moment of the newest trade: the last price is its.
        self.newest_ns = _NOT_BEGUN

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

    def seen(self) -> UnfinishedSeen:
        told = self.open_ns, self.is_whole, self.known_before_ns, self.level
        return UnfinishedSeen(*told, self.prices, self.volume, self.trades, self.newest_ns)

    def see(self, seen: UnfinishedSeen) -> None:
        """Go on as another one stood."""
        self.open_ns, self.is_whole, self.known_before_ns = seen.open_ns, seen.is_whole, seen.known_before_ns
        self.level, self.prices, self.volume, self.trades = seen.level, seen.prices, seen.volume, seen.trades
        self.newest_ns = seen.newest_ns

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
            self.prices = grown(self.prices, prices, is_newest=time_ns >= self.newest_ns)
        self.newest_ns = max(self.newest_ns, time_ns)
        self.volume += volume
        self.trades += trades

    def add_run(self, run: TradeRun) -> None:
        """Trades, of this interval or from before it."""
        is_first = self.prices is None and run.earliest_ns < self.newest_ns
        if is_first or run.earliest_ns < max(self.open_ns, self.known_before_ns):
            for trade in run.trades():
                price = trade.price
                self.add(trade.exchange_time_ns, (price, price, price, price), trade.quantity, 1)
        else:
            self.add(run.newest_ns, run.prices, run.volume, run.count)

    def take(self, candle: Candle) -> list[Candle]:
        """A finer or equal candle, closed; ours that are closed by then, oldest first."""
        closed = self.take_open(candle)
        return closed + self.advance(candle.close_time_ns)

    def take_open(self, candle: Candle) -> list[Candle]:
        """The same with one that is itself still open."""
        if not self.has_begun or self.is_empty:
            self.begin(candle.open_time_ns)
        closed = self.advance(candle.open_time_ns)
        self._hold(candle)
        return closed

    def take_after_hole(self, candle: Candle) -> list[Candle]:
        """The same with one that comes after a hole: candles of which a part is known are told as far as it is, and
        nothing is made up of the others."""
        closed: list[Candle] = []
        start = self.timeframe.start(candle.open_time_ns)
        if start > self.open_ns:
            if self.prices is not None:
                self._close(closed)
            self.open_ns, self.is_whole, self.level = start, True, None
        self._hold(candle)
        return closed + self.advance(candle.close_time_ns)

    def _hold(self, candle: Candle) -> None:
        if candle.volume or candle.trades or candle.high > candle.low:
            prices = (candle.open, candle.high, candle.low, candle.close)
            self.add(candle.open_time_ns, prices, candle.volume, candle.trades)
        elif self.prices is None:
            self.level = candle.close

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
        if start - self.open_ns > max(LONGEST_SILENCE_NS, self.timeframe.length_ns):
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


class SymbolCandles:
    """Every method that closes candles returns them, oldest first within a timeframe.

    A timeframe shorter than the candles it is fed with stays empty. Candles that straddle an interval of a timeframe
    (weeks that begin on Thursday) are not taken into it.
    """

    def __init__(self, symbol: str, timeframes: Iterable[Timeframe], keep: int, suite: IndicatorSuite) -> None:
        self.symbol = symbol
        self._frames = {each.name: each for each in timeframes}
        self.series = {name: CandleSeries(symbol, each, keep, suite) for name, each in self._frames.items()}
        self.unfinished = {name: UnfinishedCandle(symbol, each) for name, each in self._frames.items()}
        #: Candles are all the feed has: they bring their own time.
        self.fed_with_candles = False
        #: Then the close of the last one: what does not follow it comes after a hole.
        self.fed_to_ns: int | None = None

    @property
    def next_close_ns(self) -> int:
        """When `advance` has something to do."""
        if self.fed_with_candles:
            return NEVER
        return min(each.close_ns for each in self.unfinished.values())

    def begin(self, time_ns: int) -> None:
        """From here on all trades are seen. Does nothing where that was so before."""
        for each in self.unfinished.values():
            if not each.has_begun:
                each.begin(time_ns)

    def advance(self, time_ns: int) -> list[Candle]:
        """Time passes on a feed of trades."""
        closed: list[Candle] = []
        if not self.fed_with_candles:
            for name, unfinished in self.unfinished.items():
                closed += self._append(name, unfinished.advance(time_ns))
        return closed

    def on_trade(self, trade: PublicTrade) -> list[Candle]:
        time_ns, price = trade.exchange_time_ns, trade.price
        closed = self.advance(time_ns) if time_ns >= self.next_close_ns else []
        prices = (price, price, price, price)
        for unfinished in self.unfinished.values():
            unfinished.add(time_ns, prices, trade.quantity, 1)
        return closed

    def on_trades(self, run: TradeRun) -> None:
        """Trades that close nothing."""
        for unfinished in self.unfinished.values():
            unfinished.add_run(run)

    def on_candle(self, candle: Candle) -> list[Candle]:
        """A closed candle of a feed that has nothing finer. One that does not follow the one before comes after a hole:
        what lies in it is in doubt, or forgotten with all before it."""
        fed_to_ns, hole_ns = self.fed_to_ns, candle.open_time_ns
        is_after_hole = fed_to_ns is not None and hole_ns > fed_to_ns
        self.fed_with_candles, self.fed_to_ns = True, candle.close_time_ns
        closed: list[Candle] = []
        for name, frame in self._frames.items():
            unfinished, series = self.unfinished[name], self.series[name]
            if is_after_hole and fed_to_ns is not None:
                series.lose_sight(fed_to_ns)
                series.see_again(hole_ns)
            if frame.holds(candle.open_time_ns, candle.length_ns):
                is_cut = is_after_hole and unfinished.has_begun
                closed += self._append(name, unfinished.take_after_hole(candle) if is_cut else unfinished.take(candle))
        return closed

    def on_past(self, past: PastCandles) -> None:
        """Candles as the exchange tells them, complete up to the event's time; they replace what we made ourselves."""
        everything = (*past.candles, past.unfinished) if past.unfinished else past.candles
        for name, frame in self._frames.items():
            candles = [each for each in everything if frame.holds(each.open_time_ns, each.length_ns)]
            if candles:
                self._learn(name, candles, past)

    def _learn(self, name: str, candles: Sequence[Candle], past: PastCandles) -> None:
        """`candles` are those of the event that fit, the open one last."""
        series, known_ns = self.series[name], past.exchange_time_ns
        unfinished = UnfinishedCandle(self.symbol, self._frames[name])
        tail = past.unfinished if candles[-1] is past.unfinished else None
        closed: list[Candle] = []
        for candle in candles[:-1] if tail else candles:
            closed += unfinished.take(candle)
        if tail is not None:
            closed += unfinished.take_open(tail)
        if closed:
            series.replace(closed)
        up_to_date = tail is not None or known_ns == candles[-1].close_time_ns
        unfinished.is_whole = unfinished.is_whole and up_to_date
        if unfinished.is_whole or not self.unfinished[name].has_begun:
            unfinished.known_before_ns = known_ns
            self.unfinished[name] = unfinished
        if unfinished.is_whole:
            series.believe(unfinished.open_ns, known_ns)

    def lose_sight(self, since_ns: int) -> None:
        """Trades may be missing from this time on."""
        for series in self.series.values():
            series.lose_sight(since_ns)

    def see_again(self, time_ns: int) -> None:
        """Trades are complete from this time on."""
        for series in self.series.values():
            series.see_again(time_ns)

    def _append(self, name: str, closed: list[Candle]) -> list[Candle]:
        series = self.series[name]
        for candle in closed:
            series.append(candle, fills=not self.fed_with_candles)
        return closed
