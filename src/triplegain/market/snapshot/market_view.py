"""One session's view of its markets: every event goes in, a snapshot for the agents comes out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from triplegain.domain.clock import NEVER
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import (
    BookUpdate,
    Candle,
    CandleClosed,
    FeedStatus,
    MarketEvent,
    PastCandles,
    PublicTrade,
    TimePassed,
)
from triplegain.domain.quote import Quote
from triplegain.market.candles.symbol_candles import SymbolCandles
from triplegain.market.candles.timeframe import timeframe
from triplegain.market.candles.trade_run import TradeRun
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.indicators.suite import IndicatorSuite
from triplegain.market.snapshot.book_features import BookLevels
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.sighting import Sighting
from triplegain.market.snapshot.snapshot import NoSnapshot, Snapshot
from triplegain.market.snapshot.symbol_view import SymbolView

#: An average that has seen fewer times its period still shows where it began.
_HISTORIES = 4


class MarketView:
    """Candles of every timeframe, their indicators and the snapshots made of them. It has no clock.

    After a restart it is rebuilt by the same events again, or by the candles that the exchange tells. Indicators
    depend on the candles since a fixed time only (see `CandleHistory`), so that they are the same to the bit wherever
    these are all there.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        settings: SnapshotSettings,
        indicators: IndicatorSettings,
        synthetic: bool = False,
    ) -> None:
        """`synthetic`: no real market stands behind the feed. Raises InvalidValueError for settings at odds."""
        suite = IndicatorSuite(indicators)
        longest = _HISTORIES * max(*indicators.ema, *indicators.sma)
        if settings.history_candles < longest:
            raise InvalidValueError(
                f"{settings.history_candles} candles of history are too few for the longest average: keep {longest}"
            )
        frames = [timeframe(name) for name in settings.look_back]
        self.views: dict[str, SymbolView] = {}
        for each in instruments:
            candles = SymbolCandles(each.symbol, frames, settings.history_candles, suite)
            self.views[each.symbol] = SymbolView(each, candles, settings, suite, synthetic)
        self._heard_ns = 0
        self._next_close_ns = 0

    def on_event(self, event: MarketEvent) -> Sequence[Candle]:
        """Every event of the feed, in order; the candles it closed, of every timeframe."""
        if isinstance(event, TimePassed):
            # Only our own clock: it tells nothing about trades.
            return ()
        time_ns = event.exchange_time_ns
        closed: list[Candle] = []
        if time_ns >= self._next_close_ns:
            for each in self.views.values():
                each.candles.begin(time_ns)
                closed += each.candles.advance(time_ns)
            self._plan()
        view = self.views.get(event.symbol)
        if view is not None:
            closed += self._tell(view, event)
        self._heard_ns = max(self._heard_ns, time_ns)
        return closed

    def on_trades(self, run: TradeRun) -> None:
        """Trades that close nothing."""
        view = self.views.get(run.symbol)
        if view is not None:
            view.candles.on_trades(run)

    def heard(self, time_ns: int) -> None:
        """Messages up to that time have told nothing of candles, which none closes."""
        self._heard_ns = max(self._heard_ns, time_ns)

    @property
    def times(self) -> tuple[int, int]:
        """Market time of what was heard last, and when the next candle closes."""
        return self._heard_ns, self._next_close_ns

    @times.setter
    def times(self, times: tuple[int, int]) -> None:
        self._heard_ns, self._next_close_ns = times

    def take_over(self, other: MarketView) -> None:
        """Go on with the candles of another view of the same markets, which is given up."""
        self.views, self._heard_ns, self._next_close_ns = other.views, other._heard_ns, other._next_close_ns

    def _tell(self, view: SymbolView, event: MarketEvent) -> Sequence[Candle]:
        candles = view.candles
        match event:
            case BookUpdate():
                if event.snapshot:
                    view.on_book_snapshot(event.exchange_time_ns)
            case PublicTrade():
                return candles.on_trade(event)
            case CandleClosed():
                closed = candles.on_candle(event.candle)
                self._plan()
                return closed
            case PastCandles():
                candles.on_past(event)
                self._plan()
            case FeedStatus():
                view.on_status(event, self._heard_ns)
            case _:
                pass
        return ()

    def candles(self, symbol: str, name: str) -> list[Candle]:
        """All closed candles kept of a timeframe, oldest first."""
        return list(self._view(symbol).candles.series[name].history)

    def price_span(self, candle: Candle) -> tuple[Decimal, Decimal]:
        """Lowest and highest price of a candle, which is told in ticks."""
        price = self._view(candle.symbol).instrument.price
        return price(candle.low), price(candle.high)

    def atr_fraction(self, symbol: str, name: str) -> float | None:
        """Average true range of a timeframe's closed candles, as a fraction of the last close; None: not known yet."""
        series = self._view(symbol).candles.series[name]
        if not len(series.history):
            return None
        atr = series.reading(("atr",))["atr"]
        return None if atr is None else float(atr) / series.history.last_close

    def snapshot(
        self, symbol: str, now_ns: int, quote: Quote | None, book_levels: BookLevels | None
    ) -> Snapshot | NoSnapshot:
        """What agents see at `now_ns`. `quote` is the session's fresh quote, None if it has none; `book_levels` are

        bids and asks in ticks and lots, best first, None without a book.
        """
        return self._view(symbol).snapshot(now_ns, quote, book_levels)

    def sight(self, symbol: str, now_ns: int, quote: Quote | None) -> Sighting | NoSnapshot:
        """A few figures of the same moment, many times cheaper, for agents that go by rules: worked out when somebody
        asks, and by then of that moment still."""
        return self._view(symbol).sight(now_ns, quote)

    def _view(self, symbol: str) -> SymbolView:
        view = self.views.get(symbol)
        if view is None:
            raise InvalidValueError(f"{symbol} is not watched: only {', '.join(self.views)}")
        return view

    def _plan(self) -> None:
        self._next_close_ns = min((view.candles.next_close_ns for view in self.views.values()), default=NEVER)
