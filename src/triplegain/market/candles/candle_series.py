"""The closed candles of one timeframe with their indicators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from triplegain.domain.market import Candle
from triplegain.market.candles.candle_history import CandleHistory
from triplegain.market.candles.candles import empty_candles
from triplegain.market.candles.series_indicators import SeriesIndicators
from triplegain.market.candles.timeframe import Timeframe
from triplegain.market.indicators.suite import IndicatorSuite, Reading


class CandleSeries:
    """`history` and the indicators of it, with what of it is in doubt."""

    def __init__(self, symbol: str, timeframe: Timeframe, keep: int, suite: IndicatorSuite) -> None:
        self.timeframe = timeframe
        self.history = CandleHistory(symbol, timeframe, keep)
        self._indicators = SeriesIndicators(self.history, suite)
        #: Changes when candles are replaced or forgotten; as long as it stays, candles were only added.
        self.edition = 0
        #: Called before candles are replaced or forgotten: what is still to be worked out of them is.
        self.before_change: Callable[[], None] = lambda: None
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
                self.before_change()
                history.clear()
                self._anew()
            for each in missing:
                self.append(each)
        if history.begins_block(candle):
            self.before_change()
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
        self.before_change()
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

    def reading(self, names: Iterable[str] | None = None, end_ns: int | None = None) -> Reading:
        """See `SeriesIndicators.reading`."""
        return self._indicators.reading(names, end_ns)

    def _anew(self) -> None:
        self._indicators.anew()
        self.edition += 1


def _without(doubt: tuple[int, int], start: int, end: int) -> list[tuple[int, int]]:
    """What is left of a doubt when everything from `start` to `end` is known."""
    parts = [(doubt[0], min(doubt[1], start)), (max(doubt[0], end), doubt[1])]
    return [part for part in parts if part[0] < part[1]]
