"""Back-fill from Kraken: what is not known yet of a stretch of time, stored page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from triplegain.config import Config
from triplegain.domain.candle_time import MINUTE_NS
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.span import Span, without
from triplegain.market.feed import FeedError
from triplegain.storage.database import Database
from triplegain.storage.market_history import TAPE, CandlesStored, MarketHistory, TradesStored
from triplegain.storage.market_writer import MarketWriter
from triplegain.venues.kraken.candles import OHLC_MINUTES, closed_candles
from triplegain.venues.kraken.pairs import instruments_of
from triplegain.venues.kraken.rest import KrakenRest, PatientRest
from triplegain.venues.kraken.trade_pages import trade_pages
from triplegain.venues.kraken.wire.rest import read_reply, read_server_time

SOURCE = "kraken-rest"

#: Loaded where nothing is stored and nobody says since when.
_DEFAULT_NS = 7 * 1440 * MINUTE_NS

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
            time = read_server_time(read_reply(await self._rest.server_time()).result).unixtime
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
    async with KrakenRest(market.rest_url, market.answer_within_s, float(config.history.requests_per_s)) as rest:
        yield PatientRest(rest, progress.waits)
