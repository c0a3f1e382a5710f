"""All candles of one symbol: every timeframe fed with the same trades, finer candles or the exchange's own history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from triplegain.domain.clock import NEVER
from triplegain.domain.market import Candle, PastCandles, PublicTrade
from triplegain.market.candles.candle_series import CandleSeries
from triplegain.market.candles.timeframe import Timeframe
from triplegain.market.candles.unfinished_candle import UnfinishedCandle
from triplegain.market.indicators.suite import IndicatorSuite


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

    def on_candle(self, candle: Candle) -> list[Candle]:
        """A closed candle of a feed that has nothing finer."""
        self.fed_with_candles = True
        closed: list[Candle] = []
        for name, frame in self._frames.items():
            if frame.holds(candle.open_time_ns, candle.length_ns):
                closed += self._append(name, self.unfinished[name].take(candle))
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
            series.append(candle)
        return closed
