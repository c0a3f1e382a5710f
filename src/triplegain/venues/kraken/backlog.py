"""What a live feed fetches by REST: the time away, candles from before, and trades that close a hole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import msgspec

from triplegain.domain.clock import DAY_NS, SECOND_NS, Clock
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.candles import interval_for
from triplegain.venues.kraken.feed_line import LineQueue, ReplyLine
from triplegain.venues.kraken.rest import TRADES_PER_PAGE, KrakenRest, asset_pairs_path, ohlc_path, trades_path
from triplegain.venues.kraken.wire.rest import read_reply, read_server_time, read_trade_page, write_errors

_log = logging.getLogger(__name__)

#: The longest time away that is caught up with, and the most replies that may take.
LONGEST_AWAY_NS = 3 * DAY_NS
_PAGES_MAX = 300

#: How often a request for trades is tried, and the seconds in between.
_TRIES = 3
_PAUSE_S = 1.0

_SAME_HOLE_NS = 30 * SECOND_NS

_TIME = "/0/public/Time"
_STATUS = "/0/public/SystemStatus"


class KrakenBacklog:
    """Replies go into the queue as lines; a request that fails is a line too, in the form of Kraken's own errors."""

    def __init__(self, rest: KrakenRest, queue: LineQueue, clock: Clock) -> None:
        self._rest = rest
        self._queue = queue
        self._clock = clock
        self._wanted: dict[str, int] = {}
        #: Replies asked for in a row, and when the last one was.
        self._pages: dict[str, tuple[int, int]] = {}
        self._states_of: tuple[str, ...] = ()
        self._changed = asyncio.Event()

    async def catch_up(self, since_ns: Mapping[str, int]) -> None:
        """The trades since those times, instrument by instrument, then the exchange's time."""
        told_time = await self._try(_TIME)
        now_ns = _server_time_ns(told_time) or self._clock.now_ns()
        for symbol, since in since_ns.items():
            if now_ns - since > LONGEST_AWAY_NS:
                days, most = (now_ns - since) // DAY_NS, LONGEST_AWAY_NS // DAY_NS
                why = f"{days} days are more than the {most} that are fetched"
                await self._put(trades_path(symbol, since), write_errors([why]))
            else:
                await self._all_trades(symbol, since)
        # Last, so that no time passes before the trades of the time away.
        told_time = await self._try(_TIME)
        if told_time:
            await self._put(_TIME, told_time)

    async def warm_up(self, symbols: tuple[str, ...], length_ns: int) -> None:
        """Candles of before, where Kraken has some that add up to this length."""
        minutes = interval_for(length_ns)
        if minutes is None:
            return
        for symbol in symbols:
            path = ohlc_path(symbol, minutes)
            reply = await self._try(path)
            if reply:
                # A fragment is not sent: it says what the candles are for.
                await self._put(f"{path}#{length_ns // SECOND_NS}", reply)

    def want(self, symbol: str, since_ns: int) -> None:
        """Trades after that time are missing."""
        self._wanted[symbol] = since_ns
        self._changed.set()

    def want_states(self, symbols: tuple[str, ...]) -> None:
        """The exchange's own state and those of these instruments are to be asked for."""
        self._states_of = symbols
        self._changed.set()

    async def run(self) -> None:
        """Fetches what is wanted, one request at a time, until it is cancelled."""
        while True:
            if not self._wanted and not self._states_of:
                self._changed.clear()
                await self._changed.wait()
            if self._states_of:
                symbols, self._states_of = self._states_of, ()
                for path in (_STATUS, asset_pairs_path(symbols)):
                    if reply := await self._try(path):
                        await self._put(path, reply)
                continue
            symbol = next(iter(self._wanted))
            since = self._wanted.pop(symbol)
            if self._is_endless(symbol):
                await self._put(trades_path(symbol, since), write_errors([_too_many()]))
            else:
                await self._trades(symbol, since)

    def _is_endless(self, symbol: str) -> bool:
        """Counts one more request; one hole is asked for page after page, after a pause it is another."""
        now_ns = self._clock.now_ns()
        pages, asked_ns = self._pages.get(symbol, (0, 0))
        pages = pages + 1 if now_ns - asked_ns < _SAME_HOLE_NS else 1
        self._pages[symbol] = (pages % (_PAGES_MAX + 1), now_ns)
        return pages > _PAGES_MAX

    async def _all_trades(self, symbol: str, since: int) -> None:
        for _ in range(_PAGES_MAX):
            reply = await self._trades(symbol, since)
            last, rows = _end_of(reply)
            # The last trade is asked for again: others may have its very time.
            if rows < TRADES_PER_PAGE or last - 1 <= since:
                return
            since = last - 1
        await self._put(trades_path(symbol, since), write_errors([_too_many()]))

    async def _trades(self, symbol: str, since: int) -> bytes:
        path = trades_path(symbol, since)
        problem = ""
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(_PAUSE_S)
            try:
                reply = await self._rest.get(path)
            except FeedError as error:
                problem = str(error)
                continue
            await self._put(path, reply)
            return reply
        reply = write_errors([problem])
        await self._put(path, reply)
        return reply

    async def _try(self, path: str) -> bytes:
        """A reply that can be done without; empty where there is none."""
        try:
            return await self._rest.get(path)
        except FeedError as error:
            _log.warning("going on without: %s", error)
            return b""

    async def _put(self, path: str, reply: bytes) -> None:
        await self._queue.put(ReplyLine(self._clock.now_ns(), path, reply))


def _too_many() -> str:
    return f"more than {_PAGES_MAX * TRADES_PER_PAGE:,} trades were missed"


def _server_time_ns(reply: bytes) -> int:
    """The exchange's time; 0 where the reply does not say."""
    try:
        return read_server_time(read_reply(reply).result).unixtime * SECOND_NS if reply else 0
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _end_of(reply: bytes) -> tuple[int, int]:
    """Where a page of trades ends, in nanoseconds, and how many it has."""
    try:
        page = read_trade_page(read_reply(reply).result)
        return int(page.last), len(page.rows)
    except (ValueError, RecursionError):
        return 0, 0
