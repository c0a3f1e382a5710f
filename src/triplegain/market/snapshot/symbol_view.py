"""The snapshots of one symbol. What changes only when a candle closes is kept until then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from weakref import ref

from triplegain.domain.clock import DAY_NS, SECOND_NS, iso
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.money import text
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.market.candles.candle_series import CandleSeries
from triplegain.market.candles.symbol_candles import SymbolCandles
from triplegain.market.indicators.suite import IndicatorSuite
from triplegain.market.snapshot.book_features import BookFeatures, BookLevels, book_features
from triplegain.market.snapshot.figures import NULL, Steps, fixed
from triplegain.market.snapshot.frame import CandleText, FrameFigures, FrameSnapshot, FrameWriter
from triplegain.market.snapshot.settings import SnapshotSettings
from triplegain.market.snapshot.sighting import Sighting, Trends
from triplegain.market.snapshot.snapshot import DayFigures, Glance, NoSnapshot, Snapshot, SnapshotPrice


@dataclass(frozen=True, slots=True)
class Day:
    """24 hours up to the last closed candle of `timeframe`, the finest that has them all, in ticks and lots."""

    timeframe: str
    end_ns: int
    open: int
    high: int
    low: int
    volume: int

    def figures(self, instrument: Instrument, price: Decimal) -> DayFigures:
        """In currencies, with the change from the first price of the day to this one."""
        at = instrument.price
        change_pct = (float(price / at(self.open)) - 1) * 100
        return DayFigures(change_pct, at(self.high), at(self.low), instrument.quantity(self.volume), self.timeframe)


def last_day(series: Iterable[CandleSeries]) -> Day | None:
    """From the finest timeframe that has 24 hours of candles; None if none has."""
    for each in sorted(series, key=lambda one: one.timeframe.length_ns):
        frame, history = each.timeframe, each.history
        count = DAY_NS // frame.length_ns
        if frame.length_ns < DAY_NS and len(history) >= count:
            return Day(frame.name, history.end_ns, *history.window(count))
    return None


_LIVE_ENOUGH = (QuoteSource.LIVE, QuoteSource.REPLAY, QuoteSource.DEMO)


def price_flags(source: QuoteSource, synthetic: bool, state: FeedState, from_candles: bool) -> list[str]:
    """`synthetic`: no real market; `price_source`: not from the session's feed; `feed`: its state, unless synced;

    `price_is_close`: the feed has candles only, so that the price is the close of the last one.
    """
    flags = []
    if synthetic:
        flags.append("synthetic")
    if source not in _LIVE_ENOUGH:
        flags.append(f"price_source:{source.value}")
    if state is not FeedState.SYNCED:
        flags.append(f"feed:{state.value}")
    if from_candles:
        flags.append("price_is_close")
    return flags


def book_flags(book: BookFeatures | None, settings: SnapshotSettings) -> list[str]:
    """`no_book`; `book_reach`: the book is seen to so many percent only, less than the greatest distance asked for."""
    if book is None:
        return ["no_book"]
    reach = min(book.bids_reach_pct, book.asks_reach_pct)
    return [f"book_reach:{fixed(reach)}"] if reach < settings.depth_pcts[-1] else []


def frame_flags(
    writers: Mapping[str, FrameWriter],
    frames: Mapping[str, FrameSnapshot],
    now_ns: int,
    settings: SnapshotSettings,
    candles_needed: int,
    quiet_after: int,
) -> list[str]:
    """Per timeframe: `missing`: no candle; `few`: so many of those wanted; `late`: the next candle should be there;

    `doubtful`: so many of those shown may lack trades; `quiet`: so many of the latest have no trade.
    """
    flags = []
    for name, writer in writers.items():
        frame = frames.get(name)
        if frame is None:
            flags.append(f"missing:{name}")
            continue
        closed, length = frame.closed, writer.series.timeframe.length_ns
        wanted = max(candles_needed, writer.look_back)
        if closed.history_candles < wanted:
            flags.append(f"few:{name}:{closed.history_candles}/{wanted}")
        if now_ns - closed.close_time_ns >= length + settings.late_after_ns:
            flags.append(f"late:{name}")
        if doubtful := writer.series.doubtful(writer.look_back):
            flags.append(f"doubtful:{name}:{doubtful}")
        if closed.quiet_candles >= quiet_after:
            flags.append(f"quiet:{name}:{closed.quiet_candles}")
    return flags


#: Of this layout. A number, so that stored snapshots can be told apart.
VERSION = 1


def document(
    instrument: Instrument,
    seen: Glance,
    day: DayFigures | None,
    frames: Mapping[str, FrameSnapshot],
    names: Iterable[str],
    book: BookFeatures | None,
    flags: Iterable[str],
) -> str:
    """Keys sorted, no blanks. A timeframe of `names` without candles is null."""
    parts = [f'"{name}":{frames[name].json(seen.time_ns) if name in frames else NULL}' for name in sorted(names)]
    aligned = NULL if seen.alignment is None else fixed(seen.alignment)
    return (
        f'{{"alignment":{aligned},"book":{book_json(book, instrument)},'
        f'"day":{day_json(day)},"flags":{json.dumps(list(flags), separators=(",", ":"))},'
        f'"price":{price_json(seen.price, seen.time_ns)},"primary":"{seen.primary}","symbol":"{instrument.symbol}",'
        f'"time":"{iso(seen.time_ns)}","timeframes":{{{",".join(parts)}}},"version":{VERSION}}}'
    )


def price_json(price: SnapshotPrice, now_ns: int) -> str:
    age = fixed((now_ns - price.time_ns) / SECOND_NS)
    return (
        f'{{"age_s":{age},"ask":{_money(price.ask)},"bid":{_money(price.bid)},"last":{_money(price.last)},'
        f'"mark":{_money(price.mark)},"source":"{price.source.value}","time":"{iso(price.time_ns)}"}}'
    )


def day_json(day: DayFigures | None) -> str:
    if day is None:
        return NULL
    return (
        f'{{"change_pct":{fixed(day.change_pct)},"high":{_money(day.high)},"low":{_money(day.low)},'
        f'"timeframe":"{day.timeframe}","volume":{_money(day.volume)}}}'
    )


def book_json(book: BookFeatures | None, instrument: Instrument) -> str:
    if book is None:
        return NULL
    asks = ",".join(f'"{text(depth.pct)}":{_money(depth.ask_quantity)}' for depth in book.depths)
    bids = ",".join(f'"{text(depth.pct)}":{_money(depth.bid_quantity)}' for depth in book.depths)
    weighted = Steps(instrument.tick).rounded(book.weighted_mid / float(instrument.tick))
    return (
        f'{{"ask":{_money(book.ask)},"ask_depth":{{{asks}}},"asks_reach_pct":{fixed(book.asks_reach_pct)},'
        f'"bid":{_money(book.bid)},"bid_depth":{{{bids}}},"bids_reach_pct":{fixed(book.bids_reach_pct)},'
        f'"imbalance":{fixed(book.imbalance)},"imbalance_pct":{fixed(book.imbalance_pct)},"mid":{_money(book.mid)},'
        f'"spread_bps":{fixed(book.spread_bps)},"weighted_mid":{weighted}}}'
    )


def _money(value: Decimal | None) -> str:
    return NULL if value is None else f'"{text(value)}"'


#: Trades may be missing.
_BLIND = (FeedState.GAP, FeedState.STALE, FeedState.MISSED, FeedState.STEPS_CHANGED)
#: After these the next snapshot of the book is the first thing that can be relied upon.
_UNTIL_SNAPSHOT = (FeedState.GAP, FeedState.STALE, FeedState.MISSED, FeedState.CATCH_UP, FeedState.CHECKSUM_MISMATCH)


#: Edition and end of every timeframe's candles.
_Key = tuple[tuple[int, int], ...]


@dataclass(eq=False)
class SymbolView:
    """`feed_state` is the condition of the feed for this symbol."""

    instrument: Instrument
    candles: SymbolCandles
    _settings: SnapshotSettings
    _suite: IndicatorSuite
    _synthetic: bool
    feed_state: FeedState = field(default=FeedState.SYNCED, init=False)
    _day: tuple[_Key, Day | None] | None = field(default=None, init=False)
    #: What is seen as long as no other candle closes; and the trends of before that, while anybody has them.
    _sighted: tuple[_Key, FrameFigures | None, Trends] | None = field(default=None, init=False)
    _before: Callable[[], Trends | None] = field(default_factory=lambda: lambda: None, init=False)

    def __post_init__(self) -> None:
        self._text = CandleText(self.instrument, self._suite)
        self._writers = {
            name: FrameWriter(self.candles.series[name], look_back, self._text, self._suite.settings.ema)
            for name, look_back in self._settings.look_back.items()
        }
        for series in self.candles.series.values():
            series.before_change = self._work_out

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
        settings = self._settings
        sighted = self.sight(now_ns, quote)
        if isinstance(sighted, NoSnapshot):
            return sighted
        self._work_out()
        seen = sighted.glance()
        frames = self._frames()
        book = book_features(self.instrument, levels, settings.depth_pcts) if levels is not None else None
        day = self._last_day()
        flags = (
            *price_flags(seen.price.source, self._synthetic, self.feed_state, self.candles.fed_with_candles),
            *book_flags(book, settings),
            # There are no candles of the last 24 hours.
            *(["no_day"] if day is None else []),
            *frame_flags(self._writers, frames, now_ns, settings, self._suite.candles_needed, self._suite.settings.rsi),
        )
        figures = None if day is None else day.figures(self.instrument, seen.price.mark)
        json = document(self.instrument, seen, figures, frames, settings.look_back, book, flags)
        digest = hashlib.sha256(json.encode()).hexdigest()
        primary_frame = frames[seen.primary].closed if seen.primary in frames else None
        return Snapshot(
            seen.symbol, now_ns, seen.price, seen.primary, primary_frame, seen.alignment,
            figures, MappingProxyType(frames), book, flags, json, digest,
        )  # fmt: skip

    def sight(self, now_ns: int, quote: Quote | None) -> Sighting | NoSnapshot:
        """See `MarketView.sight`."""
        symbol, primary, writers = self.instrument.symbol, self._settings.primary, self._writers
        if quote is None or not self._is_price(quote):
            return NoSnapshot(symbol, now_ns, "no_price", f"there is no fresh price of {symbol}")
        key = self._closed_key()
        if self._sighted is None or self._sighted[0] != key:
            if not any(len(writer.series.history) for writer in writers.values()):
                reason = f"no candle of {symbol} has closed yet, the first takes {next(iter(self._settings.look_back))}"
                return NoSnapshot(symbol, now_ns, "no_candles", reason)
            before = None if self._sighted is None else self._sighted[2]
            self._sighted = None
            self._work_out()
            if before is not None:
                # Whoever still needs it asks before the next but one.
                self._before = ref(before)
            frame = writers[primary].figures() if primary in writers else None
            self._sighted = key, frame, Trends(writers.values())
        return Sighting(now_ns, quote, primary, *self._sighted[1:])

    def _work_out(self) -> None:
        """What somebody may still ask of candles that are about to be gone on from, forgotten or replaced."""
        for each in (self._before(), None if self._sighted is None else self._sighted[2]):
            if each is not None:
                each.worked_out()

    def _closed_key(self) -> _Key:
        """Changes with every candle that closes, and when any are told anew."""
        return tuple([(each.edition, each.history.end_ns) for each in self.candles.series.values()])

    def _is_price(self, quote: Quote) -> bool:
        if quote.symbol != self.instrument.symbol:
            raise InvalidValueError(f"a quote of {quote.symbol} is none of {self.instrument.symbol}")
        mark = quote.mark
        return mark is not None and mark.is_finite() and mark > 0

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
        key = self._closed_key()
        if self._day is None or self._day[0] != key:
            self._day = key, last_day(self.candles.series.values())
        return self._day[1]
