"""Kraken's public REST interface: one request at a time, no faster than it allows, with errors that say what to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import aiohttp
import msgspec

from triplegain.domain.outside import tame
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.wire.rest import kraken_altname, read_reply

#: Requests Kraken takes at once before it counts them one a second.
_BURST = 5

#: Seconds before a request is repeated that came too soon for Kraken.
_RATE_LIMIT_WAITS_S = (2.0, 5.0, 10.0)
_RATE_LIMIT_WORDS = ("Rate limit exceeded", "Too many requests", "Throttled", "Temporary lockout")

#: The rules of all pairs are two million.
_BODY_BYTES_MAX = 8_000_000

#: Trades Kraken puts into one reply at most.
TRADES_PER_PAGE = 1000


class KrakenRefusal(FeedError):
    """Kraken answered, with errors. `errors` are its own words."""

    def __init__(self, path: str, errors: tuple[str, ...]) -> None:
        super().__init__(f"Kraken refuses {path.partition('?')[0]}: {'; '.join(errors)}")
        self.errors = errors

    @property
    def is_rate_limit(self) -> bool:
        return any(word in error for error in self.errors for word in _RATE_LIMIT_WORDS)


class KrakenRest:
    """A client for public data: `async with KrakenRest(url, 5) as rest`.

    Requests queue here: a short burst goes out at once, the rest at `requests_per_s`. One that comes too soon for
    Kraken all the same is repeated a few times after a pause.
    """

    def __init__(self, url: str, answer_within_s: float, requests_per_s: float = 1.0) -> None:
        self._url = url.rstrip("/")
        self._answer_within_s = float(answer_within_s)
        self._interval_s = 1 / float(requests_per_s)
        self._next_s = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def open(self) -> None:
        # A compressed answer could be small on the wire and endless in memory: none is asked for, none unpacked.
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._answer_within_s),
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str) -> bytes:
        """The reply to one request, verbatim; `path` has the query in it: `/0/public/Trades?pair=XBTUSDT&since=0`.

        Raises FeedError when there is none in time, KrakenRefusal (a FeedError) when Kraken answers with errors.
        """
        for wait_s in _RATE_LIMIT_WAITS_S:
            try:
                return await self._get(path)
            except KrakenRefusal as refusal:
                if not refusal.is_rate_limit:
                    raise
            await asyncio.sleep(wait_s)
        return await self._get(path)

    async def asset_pairs(self, symbols: tuple[str, ...] = ()) -> bytes:
        """The rules of these pairs, of all pairs if none is named."""
        return await self.get(asset_pairs_path(symbols))

    async def trades_page(self, symbol: str, since_ns: int, count: int = TRADES_PER_PAGE) -> bytes:
        """Trades after that time, oldest first."""
        return await self.get(trades_path(symbol, since_ns, count))

    async def ohlc(self, symbol: str, minutes: int) -> bytes:
        """The last 720 candles and the open one; `minutes` is one of Kraken's intervals."""
        return await self.get(ohlc_path(symbol, minutes))

    async def _get(self, path: str) -> bytes:
        assert self._session is not None, "KrakenRest is used inside `async with`"
        await self._take_turn()
        where = f"{self._url}{path.partition('?')[0]}"
        try:
            async with self._session.get(self._url + path) as response:
                body = await _read(response, where)
                status = response.status
        except TimeoutError:
            raise FeedError(f"{where} did not answer within {self._answer_within_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise FeedError(f"{where} cannot be reached: {error}") from error
        return _checked(path, where, status, body)

    async def _take_turn(self) -> None:
        """Wait until this request may go: `_BURST` together, then one an interval."""
        now = time.monotonic()
        self._next_s = max(self._next_s, now - (_BURST - 1) * self._interval_s)
        wait_s = self._next_s - now
        self._next_s += self._interval_s
        if wait_s > 0:
            await asyncio.sleep(wait_s)


async def _read(response: aiohttp.ClientResponse, where: str) -> bytes:
    """The body as it was sent. Raises FeedError for one that is packed or too long."""
    packed = response.headers.get("Content-Encoding", "identity")
    if packed.casefold() != "identity":
        raise FeedError(f"{where} packs what nobody asked it to ({packed[:40]})")
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _BODY_BYTES_MAX:
            raise FeedError(f"{where} sent no end: more than {_BODY_BYTES_MAX:,} bytes")
    return bytes(body)


def asset_pairs_path(symbols: tuple[str, ...] = ()) -> str:
    """Path of AssetPairs for these symbols, for all if there are none."""
    query = "?" + urlencode({"pair": ",".join(map(kraken_altname, symbols))}, safe=",") if symbols else ""
    return f"/0/public/AssetPairs{query}"


def trades_path(symbol: str, since_ns: int, count: int = TRADES_PER_PAGE) -> str:
    return "/0/public/Trades?" + urlencode({"pair": kraken_altname(symbol), "since": since_ns, "count": count})


def ohlc_path(symbol: str, minutes: int) -> str:
    return "/0/public/OHLC?" + urlencode({"pair": kraken_altname(symbol), "interval": minutes})


def _checked(path: str, where: str, status: int, body: bytes) -> bytes:
    """The body if it is a reply without errors."""
    if status == 429:
        raise KrakenRefusal(path, ("EGeneral:Too many requests (HTTP 429)",))
    try:
        reply = read_reply(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if status != 200:
            raise FeedError(f"{where} answers with HTTP status {status}") from None
        raise FeedError(f"{where} does not answer as Kraken does: check the address") from None
    if reply.error:
        raise KrakenRefusal(path, tuple(tame(error) for error in reply.error[:_ERRORS_MAX]))
    if status != 200:
        raise FeedError(f"{where} answers with HTTP status {status}")
    return body


#: Seconds before each new attempt: about four minutes in all.
_WAITS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 60.0, 60.0)

#: Errors of one answer that are looked at.
_ERRORS_MAX = 10

#: Errors that pass by themselves.
_PASSING = ("EService:", "EGeneral:Internal error")


class PatientRest(KrakenRest):
    """Repeats what failed by time-out, broken connection, HTTP status, rate limit or an exchange that is busy.

    `on_wait` hears the reason and the seconds of each pause. After the last attempt the FeedError is raised; so is a
    refusal that no waiting changes, at once.
    """

    def __init__(
        self,
        url: str,
        answer_within_s: float,
        requests_per_s: float = 1.0,
        on_wait: Callable[[str, float], None] | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(url, answer_within_s, requests_per_s)
        self._on_wait = on_wait
        self._pause = pause

    async def get(self, path: str) -> bytes:
        for wait_s in _WAITS_S:
            try:
                return await super().get(path)
            except FeedError as error:
                if isinstance(error, KrakenRefusal) and not (
                    error.is_rate_limit or any(each.startswith(_PASSING) for each in error.errors)
                ):
                    raise
                if self._on_wait is not None:
                    self._on_wait(str(error), wait_s)
            await self._pause(wait_s)
        return await super().get(path)
