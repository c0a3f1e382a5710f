"""Trades and candles into the stored history: from Kraken, page by page, and from files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from triplegain.app.off_loop import each_off_the_loop, off_the_loop
from triplegain.config import Config
from triplegain.domain.candle_time import candle_open_ns
from triplegain.domain.clock import DAY_NS, MINUTE_NS, SECOND_NS, WEEK_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle
from triplegain.domain.span import Span, without
from triplegain.feeds.captures.candles_capture import CandlesCapture
from triplegain.feeds.captures.history_batches import Batch, candle_batches, trade_batches
from triplegain.feeds.captures.replay import recognise
from triplegain.feeds.captures.trades_capture import TradesCapture
from triplegain.market.candles.timeframe import candle_length_text
from triplegain.market.feed import CaptureError, FeedError
from triplegain.storage.database import Database
from triplegain.storage.market_history import TAPE, CandlesStored, MarketAudit, MarketHistory, TradesStored
from triplegain.storage.market_writer import MarketWriter
from triplegain.venues.kraken.candles import OHLC_MINUTES, closed_candles
from triplegain.venues.kraken.pairs import instruments_of
from triplegain.venues.kraken.rest import PatientRest
from triplegain.venues.kraken.trade_pages import trade_pages
from triplegain.venues.kraken.wire.rest import read_reply, read_server_time

SOURCE = "kraken-rest"

#: Loaded where nothing is stored and nobody says since when.
_DEFAULT_NS = WEEK_NS

#: The exchange's answer may be older than its clock by so much.
_ANSWER_AGE_NS = 5 * SECOND_NS


class Progress(Protocol):
    """Who watches a long load."""

    def begin(self, name: str, span: Span) -> None:
        """Work of that name begins, over this stretch of market time."""
        ...

    def reached(self, name: str, time_ns: int, rows: int) -> None:
        """It has come as far as that, with so many rows more."""
        ...

    def waits(self, reason: str, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What one instrument got. `holes` are numbers of trades that Kraken does not tell, first and last of each."""

    symbol: str
    kind: str
    span: Span
    pages: int
    trades: TradesStored = field(default_factory=TradesStored)
    candles: CandlesStored = field(default_factory=CandlesStored)
    holes: tuple[tuple[int, int], ...] = ()


class HistoryDownload:
    """Loads into the stored history. It may be killed at any moment and goes on where its last page was stored.

    Methods raise FeedError when Kraken does not answer for minutes, StorageError when the database fails.
    """

    def __init__(self, rest: PatientRest, database: Database, progress: Progress) -> None:
        self._rest = rest
        self._writer = MarketWriter(database)
        self._history = MarketHistory(database)
        self._progress = progress

    async def load(
        self, symbols: Sequence[str], kind: str, since_ns: int | None, until_ns: int | None
    ) -> list[Downloaded]:
        """What is missing of these pairs between two times; `kind` is trades or candles."""
        done = []
        for symbol, instrument in (await self.instruments(symbols)).items():
            if kind == "trades":
                done.append(await self.trades(instrument, await self.span(symbol, since_ns, until_ns)))
            else:
                done.append(await self.candles(instrument, await self.span(symbol, since_ns or 0, until_ns)))
        return done

    async def instruments(self, symbols: Sequence[str]) -> dict[str, Instrument]:
        """The rules of these pairs as Kraken tells them."""
        return instruments_of(await self._rest.asset_pairs(tuple(symbols)), symbols)

    async def now_ns(self) -> int:
        """The end of what can be loaded: the last full minute by the exchange's own clock."""
        try:
            time = read_server_time(read_reply(await self._rest.get("/0/public/Time")).result).unixtime
        except msgspec.DecodeError as error:
            raise FeedError(f"Kraken's clock cannot be read: {error}") from error
        now = time * SECOND_NS - _ANSWER_AGE_NS
        return now - now % MINUTE_NS

    async def span(self, symbol: str, since_ns: int | None, until_ns: int | None) -> Span:
        """What to load: to the exchange's present if nobody says, from where the history begins, else for a week."""
        now = await self.now_ns()
        end = now if until_ns is None else min(until_ns, now)
        if since_ns is None:
            known = await self._history.known("kraken", symbol, TAPE)
            since_ns = known[0].from_ns if known else end - _DEFAULT_NS
        if since_ns >= end:
            raise InvalidValueError("nothing lies between --since and --until: is --since in the future?")
        return Span(since_ns, end)

    async def trades(self, instrument: Instrument, span: Span) -> Downloaded:
        """The trades of the span that are not stored yet, and the minutes they make."""
        await self._writer.remember(instrument)
        known = await self._history.known(instrument.venue, instrument.symbol, TAPE)
        ends = {each.to_ns for each in known}
        name = f"{instrument.symbol} trades"
        pages, stored = 0, TradesStored()
        holes: list[tuple[int, int]] = []
        self._progress.begin(name, span)
        for gap in without([span], known):
            last = 0
            if gap.from_ns in ends:
                last = await self._history.last_trade_number(instrument.venue, instrument.symbol, gap.from_ns)
            async for page in trade_pages(self._rest, instrument, gap, last):
                stored += await self._writer.store_trades(page.instrument, page.trades, [page.span], SOURCE)
                pages += 1
                holes += page.holes
                self._progress.reached(name, page.span.to_ns, len(page.trades))
        return Downloaded(instrument.symbol, "trades", span, pages, trades=stored, holes=tuple(holes))

    async def candles(self, instrument: Instrument, span: Span) -> Downloaded:
        """The last 720 candles of each of Kraken's lengths, as far as they lie in the span and are over."""
        await self._writer.remember(instrument)
        name = f"{instrument.symbol} candles"
        pages, stored = 0, CandlesStored()
        reached = span.to_ns
        self._progress.begin(name, span)
        for minutes in OHLC_MINUTES:
            found = closed_candles(await self._rest.ohlc(instrument.symbol, minutes), instrument, minutes)
            kept = [
                index
                for index, candle in enumerate(found.candles)
                if candle.open_time_ns >= span.from_ns and candle.close_time_ns <= span.to_ns
            ]
            pages += 1
            if not kept:
                continue
            chosen = [found.candles[index] for index in kept]
            whole = Span(chosen[0].open_time_ns, chosen[-1].close_time_ns)
            stored += await self._writer.store_candles(
                found.instrument,
                found.length_ns,
                chosen,
                [whole],
                SOURCE,
                [found.weighted_prices[index] for index in kept],
            )
            reached = min(reached, whole.from_ns)
            self._progress.reached(name, span.from_ns + span.to_ns - reached, len(chosen))
        return Downloaded(instrument.symbol, "candles", Span(reached, span.to_ns), pages, candles=stored)


@asynccontextmanager
async def kraken_history(config: Config, progress: Progress) -> AsyncIterator[PatientRest]:
    """Kraken's REST interface at the pace that is configured for loading."""
    market = config.market
    pace = float(config.history.requests_per_s)
    async with PatientRest(market.rest_url, market.answer_within_s, pace, progress.waits) as rest:
        yield rest


#: The candles of a week in which a trade lies before this begin before time does.
_FIRST_NS = 31 * DAY_NS

_SHARED = (
    "trades (feather, freqtrade JSON, Kraken's CSV) or candles (feather, freqtrade JSON, CSV, Kraken's OHLCVT CSV)"
)

#: Kraken cuts its archive at the end of a quarter; other files begin and end wherever somebody began and stopped.
_WHOLE_FORMATS = frozenset({"candles-kraken-csv"})


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file. `unlike_minutes` are its candles that contradict stored minutes, which go before."""

    path: Path
    venue: str
    symbol: str
    kind: str
    span: Span
    rows: int
    trades: TradesStored = field(default_factory=TradesStored)
    candles: CandlesStored = field(default_factory=CandlesStored)
    unlike_minutes: int = 0

    @property
    def different(self) -> int:
        """Places at which the file contradicts what was stored."""
        return self.trades.different + self.trades.candles_changed + self.candles.different + self.unlike_minutes


def find_history_files(paths: Sequence[Path]) -> list[CandlesCapture | TradesCapture]:
    """The files named, and those below the folders named, that hold trades or candles; oldest first.

    Raises CaptureError for a file that was named and holds neither, and where there is none at all.
    """
    found: list[CandlesCapture | TradesCapture] = []
    for path in paths:
        if not path.exists():
            raise CaptureError(path, "does not exist")
        before = len(found)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            capture = recognise(file) if file.is_file() else None
            if isinstance(capture, CandlesCapture | TradesCapture):
                found.append(capture)
        if len(found) == before:
            raise CaptureError(path, f"holds no history; looked for {_SHARED}")
    return sorted(found, key=lambda each: (each.instrument.symbol, isinstance(each, TradesCapture), each.span_ns))


async def import_files(paths: Sequence[Path], database: Database, progress: Progress) -> list[Imported]:
    """Store what the files hold, each in turn. A file that is damaged has then been stored up to the damage.

    Raises CaptureError and StorageError.
    """
    captures = await off_the_loop(lambda: find_history_files(paths))
    begins = {(*_lane(each), _span(each).from_ns) for each in captures}
    ends = {(*_lane(each), _span(each).to_ns) for each in captures}
    writer, audit = MarketWriter(database), MarketAudit(database)
    done = []
    for capture in captures:
        if _span(capture).from_ns < _FIRST_NS:
            raise CaptureError(capture.paths[0], "begins in January 1970, before there were markets to trade on", 1)
        await writer.remember(capture.instrument)
        progress.begin(capture.paths[0].name, _span(capture))
        if isinstance(capture, TradesCapture):
            done.append(await _import_trades(capture, writer, progress))
        else:
            whole, span = capture.format in _WHOLE_FORMATS, _span(capture)
            batches = candle_batches(
                capture,
                first_is_whole=whole or (*_lane(capture), span.from_ns) in ends,
                last_is_whole=whole or (*_lane(capture), span.to_ns) in begins,
            )
            done.append(await _import_candles(capture, batches, writer, audit, progress))
    return done


async def _import_trades(capture: TradesCapture, writer: MarketWriter, progress: Progress) -> Imported:
    path, instrument = capture.paths[0], capture.instrument
    stored, rows = TradesStored(), 0
    async for batch in each_off_the_loop(trade_batches(capture)):
        source = capture.format if not batch.rows or batch.rows[0].trade_id else f"{capture.format}, no numbers"
        stored += await writer.store_trades(instrument, batch.rows, batch.spans, source)
        rows += len(batch.rows)
        if batch.rows:
            progress.reached(path.name, batch.rows[-1].exchange_time_ns, len(batch.rows))
    return Imported(path, instrument.venue, instrument.symbol, "trades", _span(capture), rows, trades=stored)


async def _import_candles(
    capture: CandlesCapture,
    batches: Iterator[Batch[Candle]],
    writer: MarketWriter,
    audit: MarketAudit,
    progress: Progress,
) -> Imported:
    path, instrument, length = capture.paths[0], capture.instrument, capture.candle_length_ns
    if length < MINUTE_NS:
        raise CaptureError(
            path, "holds candles shorter than a minute; the history begins at a minute: import the trades"
        )
    opened = _span(capture).from_ns
    if candle_open_ns(opened, length) != opened:
        raise CaptureError(path, f"its candles of {candle_length_text(length)} do not begin where ours do")
    stored, rows = CandlesStored(), 0
    async for batch in each_off_the_loop(batches):
        stored += await writer.store_candles(instrument, length, batch.rows, batch.spans, capture.format)
        rows += len(batch.rows)
        progress.reached(path.name, batch.rows[-1].close_time_ns, len(batch.rows))
    unlike: list[int] = []
    if length > MINUTE_NS:
        unlike = await audit.candles_unlike_minutes(instrument.venue, instrument.symbol, length, _span(capture))
    return Imported(
        path,
        instrument.venue,
        instrument.symbol,
        f"candles {candle_length_text(length)}",
        _span(capture),
        rows,
        candles=stored,
        unlike_minutes=len(unlike),
    )


def _lane(capture: CandlesCapture | TradesCapture) -> tuple[str, str, int]:
    return capture.instrument.venue, capture.instrument.symbol, capture.candle_length_ns or 0


def _span(capture: CandlesCapture | TradesCapture) -> Span:
    """From its first trade, or the opening of its first candle."""
    start, end = capture.span_ns
    return Span(start - (capture.candle_length_ns or 0), end)
