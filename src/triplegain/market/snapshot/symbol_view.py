"""The snapshots of one symbol. What changes only when a candle closes is kept until then."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from types import MappingProxyType

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.quote import Quote
from triplegain.market.candles.symbol_candles import SymbolCandles
from triplegain.market.indicators.suite import IndicatorSuite
from triplegain.market.snapshot.book_features import BookLevels, book_features
from triplegain.market.snapshot.day import Day, last_day
from triplegain.market.snapshot.document import document
from triplegain.market.snapshot.figures import NULL
from triplegain.market.snapshot.flags import book_flags, day_flags, frame_flags, price_flags
from triplegain.market.snapshot.frame import CandleText, FrameSnapshot, FrameWriter
from triplegain.market.snapshot.glance import Glance
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.snapshot import DayFigures, NoSnapshot, Snapshot, SnapshotPrice
from triplegain.market.snapshot.trend import alignment

#: Trades may be missing.
_BLIND = (FeedState.GAP, FeedState.STALE, FeedState.MISSED)
#: After these the next snapshot of the book is the first thing that can be relied upon.
_UNTIL_SNAPSHOT = (FeedState.GAP, FeedState.STALE, FeedState.MISSED, FeedState.CATCH_UP, FeedState.CHECKSUM_MISMATCH)


class SymbolView:
    """`feed_state` is the condition of the feed for this symbol."""

    def __init__(
        self,
        instrument: Instrument,
        candles: SymbolCandles,
        settings: SnapshotSettings,
        suite: IndicatorSuite,
        synthetic: bool,
    ) -> None:
        self.instrument = instrument
        self.candles = candles
        self.feed_state = FeedState.SYNCED
        self._settings = settings
        self._suite = suite
        self._synthetic = synthetic
        self._text = CandleText(instrument, suite)
        self._writers = {
            name: FrameWriter(candles.series[name], look_back, self._text, suite.settings.ema)
            for name, look_back in settings.look_back.items()
        }
        self._day: tuple[tuple[int, ...], Day | None] | None = None

    def on_book_snapshot(self, time_ns: int) -> None:
        """The whole book anew: from here on the feed is complete again."""
        self.candles.see_again(time_ns)
        if self.feed_state in _UNTIL_SNAPSHOT:
            self.feed_state = FeedState.SYNCED

    def on_status(self, event: FeedStatus, heard_ns: int) -> None:
        """The feed's condition changed; `heard_ns` is when it was last heard of before."""
        if event.state in _BLIND:
            # After trades of the past were told, everything is known up to now.
            told = self.feed_state is FeedState.CATCH_UP or not heard_ns
            self.candles.lose_sight(event.exchange_time_ns if told else heard_ns)
        elif event.state is FeedState.SYNCED:
            self.candles.see_again(event.exchange_time_ns)
        self.feed_state = event.state

    def snapshot(self, now_ns: int, quote: Quote | None, levels: BookLevels | None) -> Snapshot | NoSnapshot:
        """See `MarketView.snapshot`."""
        symbol, settings = self.instrument.symbol, self._settings
        price = self._price(quote)
        if price is None:
            return self._no_price(now_ns)
        frames = self._frames()
        if not frames:
            return self._no_candles(now_ns)
        book = book_features(self.instrument, levels, settings.depth_pcts) if levels is not None else None
        day = self._last_day()
        flags = (
            *price_flags(price.source, self._synthetic, self.feed_state, self.candles.fed_with_candles),
            *book_flags(book, settings),
            *day_flags(day),
            *frame_flags(self._writers, frames, now_ns, settings, self._suite.candles_needed, self._suite.settings.rsi),
        )
        figures = None if day is None else self._day_figures(day, price.mark)
        aligned = alignment(frame.closed.trend for frame in frames.values())
        names, primary = settings.look_back, settings.primary
        json = document(self.instrument, now_ns, price, figures, frames, names, primary, book, aligned, flags)
        digest = hashlib.sha256(json.encode()).hexdigest()
        return Snapshot(
            symbol, now_ns, price, figures, MappingProxyType(frames), primary, book, aligned, flags, json, digest
        )

    def glance(self, now_ns: int, quote: Quote | None) -> Glance | NoSnapshot:
        """See `MarketView.glance`."""
        symbol, primary = self.instrument.symbol, self._settings.primary
        price = self._price(quote)
        if price is None:
            return self._no_price(now_ns)
        writers = self._writers
        if not any(len(writer.series.history) for writer in writers.values()):
            return self._no_candles(now_ns)
        aligned = alignment(writer.trend() for writer in writers.values())
        frame = writers[primary].closed() if primary in writers else None
        return Glance(symbol, now_ns, price, primary, frame, aligned)

    def _no_price(self, now_ns: int) -> NoSnapshot:
        symbol = self.instrument.symbol
        return NoSnapshot(symbol, now_ns, "no_price", f"there is no fresh price of {symbol}")

    def _no_candles(self, now_ns: int) -> NoSnapshot:
        symbol = self.instrument.symbol
        reason = f"no candle of {symbol} has closed yet, the first takes {next(iter(self._settings.look_back))}"
        return NoSnapshot(symbol, now_ns, "no_candles", reason)

    def _price(self, quote: Quote | None) -> SnapshotPrice | None:
        if quote is None:
            return None
        if quote.symbol != self.instrument.symbol:
            raise InvalidValueError(f"a quote of {quote.symbol} is none of {self.instrument.symbol}")
        mark = quote.mark
        if mark is None or not (mark.is_finite() and mark > 0):
            return None
        return SnapshotPrice(mark, quote.bid, quote.ask, quote.last, quote.source, quote.exchange_time_ns)

    def _frames(self) -> dict[str, FrameSnapshot]:
        frames = {}
        for name, writer in self._writers.items():
            closed = writer.closed()
            if closed is not None:
                unfinished = self.candles.unfinished[name].candle
                frames[name] = FrameSnapshot(closed, unfinished, self._text.row(unfinished) if unfinished else NULL)
        return frames

    def _last_day(self) -> Day | None:
        """Of 1,440 candles: looked at once for each that closes."""
        series = self.candles.series.values()
        key = tuple(number for each in series for number in (each.edition, each.history.end_ns))
        if self._day is None or self._day[0] != key:
            self._day = key, last_day(series)
        return self._day[1]

    def _day_figures(self, day: Day, price: Decimal) -> DayFigures:
        at, instrument = self.instrument.price, self.instrument
        change = day.change_pct(instrument, price)
        return DayFigures(change, at(day.high), at(day.low), instrument.quantity(day.volume), day.timeframe)
