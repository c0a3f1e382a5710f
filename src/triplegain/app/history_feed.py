"""The stored history as a feed: `--feed history:BTC/USDT,XRP/USDT:2024-01-01..2024-02-01`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import msgspec

from triplegain.domain.candle_time import TIMEFRAMES
from triplegain.domain.clock import HOUR_NS, MINUTE_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import CandleClosed, MarketDepth, MarketEvent
from triplegain.domain.quote import QuoteSource
from triplegain.domain.span import Span, without
from triplegain.feeds.captures.instruments import symbol_of
from triplegain.market.feed import FeedError
from triplegain.market.feed_marks import FeedMarks, unmarked
from triplegain.market.lanes import merged
from triplegain.market.timestamps import moment_ns
from triplegain.storage.database import Database
from triplegain.storage.market_history import TAPE, MarketHistory, plan_candles

_PREFIX = "history:"
_USAGE = (
    "history:SYMBOL,SYMBOL:FROM..TO, as history:BTC/USDT:2024-01-01..2024-02-01, with :1m … :1d behind it for candles"
)
_CHUNK_CANDLES = 5_000
_CHUNK_TAPE_NS = 6 * HOUR_NS
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class HistorySpec:
    """What a feed's name asks for; `length_ns` None takes trades where all are stored, else minutes."""

    name: str
    venue: str
    symbols: tuple[str, ...]
    span: Span
    length_ns: int | None


def parse_history(name: str, venue: str = "kraken") -> HistorySpec:
    """Raises InvalidValueError for words that are none."""
    symbols, _, rest = name.removeprefix(_PREFIX).partition(":")
    start, dots, end = rest.partition("..")
    # A time of day has colons, too: only a word with a letter behind the last one can be a length.
    cut, _, word = end.rpartition(":")
    timeframe = word if word[-1:].isalpha() and word[-1:] != "Z" else ""
    end = cut if timeframe else end
    pairs = tuple(sorted({symbol_of(word.strip()) or "" for word in symbols.split(",")}))
    if not dots or "" in pairs or (timeframe and timeframe not in TIMEFRAMES):
        raise InvalidValueError(f"{name!r} is no stored history: use {_USAGE}")
    span = Span(moment_ns(start.strip()), moment_ns(end.strip()))
    if span.from_ns >= span.to_ns or span.from_ns % MINUTE_NS or span.to_ns % MINUTE_NS:
        raise InvalidValueError(f"{name!r}: the period must go from one full minute to a later one")
    return HistorySpec(name, venue, pairs, span, TIMEFRAMES.get(timeframe))


class _ChunkPlace(msgspec.Struct, frozen=True):
    """Before the chunk that begins there."""

    from_ns: int


@dataclass(frozen=True, slots=True)
class HistoryFeed:
    """Trades or candles of a period that is known whole. The same events every time, unless the history is mended.

    Read in chunks over a connection of its own while the events are taken, so a year needs no more memory than a day.
    """

    name: str
    url: str
    instruments: tuple[Instrument, ...]
    depth: Mapping[str, MarketDepth]
    candle_length_ns: Mapping[str, int]
    span_ns: tuple[int, int]
    source: QuoteSource = QuoteSource.HISTORICAL
    synthetic: bool = False
    _chunk_candles: int = field(default=_CHUNK_CANDLES, repr=False)

    @property
    def identity(self) -> str:
        steps = [
            f"{one.venue} {one.symbol} {one.tick:f} {one.lot:f} {self.candle_length_ns.get(one.symbol)}"
            for one in self.instruments
        ]
        return f"{self.name} {self.span_ns} {steps}"

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        """By time; at equal times in the order of the instruments' names. Raises StorageError."""
        marks = marks or unmarked()
        reader = _Reader(self.url)
        return _opened(reader, merged([partial(self._lane, reader, one) for one in self.instruments], marks))

    def _lane(self, reader: _Reader, instrument: Instrument, marks: FeedMarks) -> Iterator[MarketEvent]:
        begun = marks.place(_ChunkPlace)
        return self._stream(reader, instrument, self.span_ns[0] if begun is None else begun.from_ns, marks)

    def _stream(self, reader: _Reader, instrument: Instrument, start: int, marks: FeedMarks) -> Iterator[MarketEvent]:
        length = self.candle_length_ns.get(instrument.symbol)
        step = _CHUNK_TAPE_NS if length is None else length * self._chunk_candles
        end, position = self.span_ns[1], marks.position
        while start < end:
            if start >= marks.due_ns:
                marks.put(position, _ChunkPlace(start), start)
            chunk, history = Span(start, min(start + step, end)), reader.history
            told: Sequence[MarketEvent]
            if length is None:
                told = reader.wait_for(history.trades(instrument, chunk))
            else:
                candles = reader.wait_for(history.candles(instrument, length, chunk))
                told = [CandleClosed(one.symbol, one.close_time_ns, one.close_time_ns, one) for one in candles]
            yield from told
            position += len(told)
            start = chunk.to_ns


def _opened(reader: _Reader, events: Iterator[MarketEvent]) -> Iterator[MarketEvent]:
    with reader.opened():
        yield from events


async def load_history_feed(name: str, database: Database) -> HistoryFeed:
    """Kraken's history where it is stored, else that of another venue, the same for all its pairs.

    Raises InvalidValueError for a name that is none, FeedError where the period is not stored whole.
    """
    spec = parse_history(name)
    history = MarketHistory(database)
    by_venue: dict[str, dict[str, Instrument]] = {spec.venue: {}}
    for each in await history.instruments():
        by_venue.setdefault(each.venue, {})[each.symbol] = each
    venue = next((venue for venue, known in by_venue.items() if known.keys() >= set(spec.symbols)), spec.venue)
    spec, stored = replace(spec, venue=venue), by_venue[venue]
    missing = [symbol for symbol in spec.symbols if symbol not in stored]
    if missing:
        raise FeedError(f"nothing of {', '.join(missing)} is stored: `tg data download {missing[0]}` loads it")
    depth: dict[str, MarketDepth] = {}
    lengths: dict[str, int] = {}
    for symbol in spec.symbols:
        length = await _length(history, spec, symbol)
        depth[symbol] = MarketDepth.TAPE if length == TAPE else MarketDepth.CANDLES
        if length != TAPE:
            lengths[symbol] = length
    instruments = tuple(stored[symbol] for symbol in spec.symbols)
    return HistoryFeed(name, database.url, instruments, depth, lengths, spec.span)


async def _length(history: MarketHistory, spec: HistorySpec, symbol: str) -> int:
    """The finest thing that is whole over the period."""
    known = await history.whole(spec.venue, symbol)
    if spec.length_ns is None and not without([spec.span], known.get(TAPE, [])):
        return TAPE
    known.pop(TAPE, None)
    lengths = [spec.length_ns] if spec.length_ns else sorted(TIMEFRAMES.values())
    for length in lengths:
        whole = [segment.span for segment in plan_candles(known, length, spec.span)]
        rest = without([spec.span], whole)
        # A last candle that the period cuts is not asked for.
        if whole and all(gap.to_ns == spec.span.to_ns and gap.to_ns - gap.from_ns < length for gap in rest):
            return length
    raise FeedError(
        f"{symbol} is not stored without a gap over that period: `tg data list` shows what is, "
        f"`tg data download {symbol} --since … --until …` loads the rest"
    )


class _Reader:
    """A connection on a thread of its own, for iterators that cannot wait."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._database: Database | None = None

    @property
    def history(self) -> MarketHistory:
        """While it is `opened`."""
        assert self._database is not None
        return MarketHistory(self._database)

    def wait_for(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @contextmanager
    def opened(self) -> Iterator[None]:
        self._loop = loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="history feed", daemon=True)
        thread.start()
        try:
            self._database = self.wait_for(Database.connect(self._url, connections_max=1))
            try:
                yield
            finally:
                self.wait_for(self._database.close())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
