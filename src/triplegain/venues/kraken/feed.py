"""Kraken's live market as a feed: connections and requests on one side, market events on the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from typing import assert_never

import aiohttp
import msgspec

from triplegain.domain.clock import SECOND_NS, Clock
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent
from triplegain.domain.outside import tame
from triplegain.domain.quote import QuoteSource
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.backlog import KrakenBacklog
from triplegain.venues.kraken.connection import BookRequests, ConnectBudget, KrakenConnection, Reconnecting
from triplegain.venues.kraken.feed_line import FeedLine, LineQueue, ReplyLine, TickLine
from triplegain.venues.kraken.market import KrakenMarket
from triplegain.venues.kraken.pairs import instruments_of, kept_pairs, save_pairs
from triplegain.venues.kraken.rest import KrakenRefusal, KrakenRest, asset_pairs_path
from triplegain.venues.kraken.settings import FeedSettings
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings
from triplegain.venues.kraken.stream_clock import BookWanted, StatesWanted, StreamCounters, TradesWanted
from triplegain.venues.kraken.wire.frames import Frame, Params, Subscribed, read_subscribed

_log = logging.getLogger(__name__)

#: Seconds without a line after which time passes by itself.
_TICK_S = 0.25

#: Kraken counts public requests and takes about one a second; an exchange of one's own, which may run faster than
#: real time, does not count.
_REQUESTS_PER_S = 1.0
_LOCAL_REQUESTS_PER_S = 50.0

#: Lines handed on together.
_BATCH = 64

#: Seconds between two attempts to subscribe to what was refused or not answered.
_SUBSCRIBE_WAIT_S = (1.0, 2.0, 5.0, 15.0, 30.0)


def _is_taken(reply: Frame) -> bool:
    return reply.success or "lready subscribed" in reply.error


def _about(reply: Frame) -> str:
    """The symbol that a reply is about; empty where it names none."""
    with contextlib.suppress(ValueError, msgspec.DecodeError):
        result: Subscribed | None = read_subscribed(reply.result)
        if reply.success and result is not None:
            return result.symbol
    return reply.symbol


async def open_kraken_feed(
    settings: FeedSettings, clock: Clock, on_line: Callable[[FeedLine], None] | None = None
) -> KrakenFeed:
    """A feed whose instruments are known and whose first connection stands. Raises FeedError where Kraken is away.

    `on_line` gets every line right before the stream does.
    """
    feed = KrakenFeed(settings, clock, on_line)
    try:
        await feed.open()
    except BaseException:
        await feed.aclose()
        raise
    return feed


class KrakenFeed:
    """A live market. Lines from sockets, requests and silence pass one queue into one `KrakenStream`."""

    name = "live"
    source = QuoteSource.LIVE
    synthetic = False
    span_ns = None

    def __init__(self, settings: FeedSettings, clock: Clock, on_line: Callable[[FeedLine], None] | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._on_line = on_line
        self._stream = KrakenStream(
            settings.symbols, StreamSettings(settings.book_depth, int(settings.stale_after_s * SECOND_NS))
        )
        self._queue = LineQueue(settings.queue_lines_max)
        is_local = settings.rest_url.startswith("http://")
        pace = _LOCAL_REQUESTS_PER_S if is_local else _REQUESTS_PER_S
        self._rest = KrakenRest(settings.rest_url, settings.answer_within_s, pace)
        self._backlog = KrakenBacklog(self._rest, self._queue, clock)
        self._http: aiohttp.ClientSession | None = None
        size = settings.symbols_per_connection
        self._shares = [settings.symbols[first : first + size] for first in range(0, len(settings.symbols), size)]
        self._share_of = {symbol: number for number, share in enumerate(self._shares) for symbol in share}
        self._books = [self._no_books(share) for share in self._shares]
        self._books_changed = [asyncio.Event() for _ in self._shares]
        #: Nothing is subscribed before the trades of the time away have been asked for.
        self._may_listen = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(self._stream.instruments.values())

    @property
    def depth(self) -> Mapping[str, MarketDepth]:
        return dict.fromkeys(self._settings.symbols, MarketDepth.BOOK)

    @property
    def candle_length_ns(self) -> Mapping[str, int]:
        """Nothing: it has better than candles."""
        return {}

    @property
    def counters(self) -> StreamCounters:
        return self._stream.counters

    @property
    def markets(self) -> Collection[KrakenMarket]:
        """Each instrument as the stream knows it now."""
        return self._stream.markets

    @property
    def queue_longest(self) -> int:
        """The most lines that ever waited for the session."""
        return self._queue.longest

    async def open(self) -> None:
        """Read the rules and connect. Raises FeedError."""
        await self._rest.open()
        path = asset_pairs_path(self._settings.symbols)
        reply = await self._pairs()
        self._take(ReplyLine(self._clock.now_ns(), path, reply))
        self._http = aiohttp.ClientSession()
        budget = ConnectBudget()
        to_all = self._settings, self._http, self._queue, self._clock
        connections = [
            KrakenConnection(number, *to_all, Reconnecting(budget), self._listen) for number in range(len(self._shares))
        ]
        self._tasks = [asyncio.create_task(connection.run()) for connection in connections]
        try:
            async with asyncio.timeout(self._settings.answer_within_s):
                await connections[0].was_up.wait()
        except TimeoutError:
            raise FeedError(connections[0].problem or f"{self._settings.websocket_url} does not answer") from None

    async def batches(
        self, *, since_ns: Mapping[str, int] | None = None, candle_lengths_ns: Sequence[int] = ()
    ) -> AsyncGenerator[list[MarketEvent], None]:
        """Market events as they come, an empty list where nothing has happened for a moment; once, and without end.

        `since_ns` are the times of the last trades an earlier run has seen: those made since are told first.
        `candle_lengths_ns`: closed candles of these lengths are told for a warm start, where Kraken has them.
        """
        self._tasks.append(asyncio.create_task(self._begin(since_ns or {}, candle_lengths_ns)))
        while True:
            lines: list[FeedLine] = list(await self._queue.take(_BATCH, _TICK_S))
            events: list[MarketEvent] = []
            for line in lines or (TickLine(self._clock.now_ns()),):
                events += self._take(line)
            self._serve()
            for task in self._tasks:
                if task.done() and (error := task.exception()) is not None:
                    raise error
            yield events

    async def aclose(self) -> None:
        """Ends connections and requests."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._rest.aclose()
        if self._http is not None:
            await self._http.close()

    def _take(self, line: FeedLine) -> list[MarketEvent]:
        if self._on_line is not None:
            self._on_line(line)
        return self._stream.on_line(line)

    def _serve(self) -> None:
        """What the stream needs goes to whoever can get it."""
        now_s = asyncio.get_running_loop().time()
        for request in self._stream.take_requests():
            match request:
                case BookWanted(symbol):
                    number = self._share_of[symbol]
                    self._books[number].want(symbol, now_s)
                    self._books_changed[number].set()
                case TradesWanted(symbol, since_ns):
                    self._backlog.want(symbol, since_ns)
                case StatesWanted():
                    self._backlog.want_states(self._settings.symbols)
                case _:
                    assert_never(request)

    async def _begin(self, since_ns: Mapping[str, int], candle_lengths_ns: Sequence[int]) -> None:
        """The time away, then everything else; candles last, so that no trade is in neither."""
        known = {symbol: since for symbol, since in since_ns.items() if symbol in self._share_of}
        await self._backlog.catch_up(known)
        self._may_listen.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._backlog.run())
            for length_ns in candle_lengths_ns:
                await self._backlog.warm_up(self._settings.symbols, length_ns)

    async def _pairs(self) -> bytes:
        """AssetPairs, kept for a start without it. Raises FeedError when neither Kraken nor the cache has them."""
        symbols, folder = self._settings.symbols, self._settings.cache_dir
        try:
            reply = await self._rest.asset_pairs(symbols)
        except KrakenRefusal as refusal:
            if refusal.is_rate_limit:
                raise
            # One of them is unknown: the whole list says which.
            instruments_of(await self._rest.asset_pairs(), symbols)
            raise
        except FeedError as error:
            kept = kept_pairs(folder, symbols) if folder else None
            if kept is None:
                raise
            _log.warning("%s; going on with the rules of an earlier start", error)
            return kept
        instruments_of(reply, symbols)
        if folder is not None:
            try:
                await asyncio.to_thread(save_pairs, folder, reply)
            except OSError as error:
                _log.warning("Kraken's rules cannot be kept in %s: %s", folder, error)
        return reply

    # -- subscriptions -------------------------------------------------------------------------------------------

    def _no_books(self, symbols: tuple[str, ...]) -> BookRequests:
        return BookRequests(symbols, self._settings.answer_within_s, self._stream.is_waiting)

    async def _listen(self, connection: KrakenConnection) -> None:
        """Subscriptions of one connection for as long as it lives; books follow when the stream asks for them."""
        await self._may_listen.wait()
        number = connection.number
        symbols = self._shares[number]
        books = self._books[number] = self._no_books(symbols)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._subscribe(connection, "trade", symbols))
            if number == 0:
                group.create_task(self._subscribe(connection, "instrument", ("",)))
            group.create_task(self._follow_books(connection, books))

    async def _subscribe(self, connection: KrakenConnection, channel: str, symbols: tuple[str, ...]) -> None:
        """Until Kraken has taken all of it."""
        attempt = 0
        left = symbols
        while left:
            params = Params(channel=channel, symbol=list(left) if left[0] else None, snapshot=True)
            try:
                replies = await connection.ask("subscribe", params, len(left))
            except FeedError as error:
                _log.warning("%s", error)
            else:
                for reply in replies:
                    if not _is_taken(reply):
                        about = channel, tame(reply.symbol, 40), tame(reply.error)
                        _log.warning("Kraken refuses the subscription %s %s: %s", *about)
                # What Kraken says it has taken counts, and nothing else: an answer may name what nobody asked for.
                taken = {_about(reply) for reply in replies if _is_taken(reply)}
                left = tuple(symbol for symbol in left if symbol not in taken)
                if not left:
                    return
            await asyncio.sleep(_SUBSCRIBE_WAIT_S[min(attempt, len(_SUBSCRIBE_WAIT_S) - 1)])
            attempt += 1

    async def _follow_books(self, connection: KrakenConnection, books: BookRequests) -> None:
        loop = asyncio.get_running_loop()
        changed = self._books_changed[connection.number]
        books.expect(loop.time())
        while True:
            due = books.take_due(loop.time())
            if due:
                await self._ask_for_books(connection, due)
                continue
            changed.clear()
            next_s = books.next_s()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_s):
                    await changed.wait()

    async def _ask_for_books(self, connection: KrakenConnection, due: Mapping[str, bool]) -> None:
        """Subscribe anew; what is not answered or refused is asked for again later."""
        again = [symbol for symbol, is_subscribed in due.items() if is_subscribed]
        steps = [("unsubscribe", again, None), ("subscribe", list(due), True)]
        for method, symbols, snapshot in steps:
            if not symbols:
                continue
            params = Params(channel="book", symbol=symbols, depth=self._settings.book_depth, snapshot=snapshot)
            try:
                replies = await connection.ask(method, params, len(symbols))
            except FeedError as error:
                _log.warning("%s", error)
                continue
            for reply in replies:
                if not reply.success:
                    about = method, tame(reply.symbol, 40), tame(reply.error)
                    _log.warning("Kraken refuses to %s the book of %s: %s", *about)
