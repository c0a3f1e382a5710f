"""Hand-made recordings of a few events, and a client that talks to a local Kraken in the same event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate, Level, MarketDepth, MarketEvent, PublicTrade
from triplegain.domain.orders import Side
from triplegain.domain.quote import QuoteSource
from triplegain.gateway.local_kraken import LocalKraken
from triplegain.venues.kraken.wire.frames import Params, write_request

BTC = Instrument("BTC/USDT", Decimal("0.1"), Decimal("1e-8"), Decimal("0.00005"), Decimal("0.5"), cost_decimals=5)
ETH = Instrument("ETH/USDT", Decimal("0.01"), Decimal("1e-8"), Decimal("0.001"), Decimal("0.5"), cost_decimals=5)

#: 2023-11-14 22:13:00 UTC: the beginning of a minute.
START = 1_699_999_980 * SECOND_NS


@dataclass(frozen=True)
class SmallFeed:
    """These events, always."""

    recorded: tuple[MarketEvent, ...]
    instruments: tuple[Instrument, ...] = (BTC,)
    kind: MarketDepth = MarketDepth.BOOK
    name: str = "small"
    source: QuoteSource = QuoteSource.REPLAY
    synthetic: bool = True
    span_ns: tuple[int, int] | None = None

    @property
    def depth(self) -> Mapping[str, MarketDepth]:
        return {one.symbol: self.kind for one in self.instruments}

    @property
    def candle_length_ns(self) -> Mapping[str, int]:
        return {}

    def events(self) -> Iterator[MarketEvent]:
        return iter(self.recorded)


def at(seconds: float) -> int:
    return START + round(seconds * SECOND_NS)


def book(
    seconds: float,
    bids: Sequence[Level] = (),
    asks: Sequence[Level] = (),
    *,
    snapshot: bool = False,
    depth: int = 0,
    symbol: str = "BTC/USDT",
) -> BookUpdate:
    return BookUpdate(symbol, at(seconds), at(seconds), tuple(bids), tuple(asks), snapshot, depth)


def trade(
    seconds: float, price: int, lots: int = 10**8, side: Side = Side.BUY, number: str = "", symbol: str = "BTC/USDT"
) -> PublicTrade:
    return PublicTrade(symbol, at(seconds), at(seconds), price, lots, side, number)


#: Twelve levels a side around 37,000 USDT.
BIDS = tuple((370_000 - 10 * rank, 10**8 + rank) for rank in range(12))
ASKS = tuple((370_010 + 10 * rank, 2 * 10**8 + rank) for rank in range(12))
SNAPSHOT = book(0, BIDS, ASKS, snapshot=True)


def changes(count: int, every_s: float = 0.1) -> tuple[MarketEvent, ...]:
    """A snapshot, then the best bid's size changes again and again, with a trade after each tenth change."""
    events: list[MarketEvent] = [SNAPSHOT]
    for number in range(1, count + 1):
        events.append(book(number * every_s, [(370_000, 10**8 + 1000 * number)]))
        if number % 10 == 0:
            events.append(trade(number * every_s, 370_000, 1000, Side.SELL, str(500 + number // 10)))
    return tuple(events)


class Client:
    """One WebSocket connection; frames are taken one by one as text or as JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def subscribe(self, channel: str, *symbols: str, req_id: int | None = None, **more: Any) -> None:
        params = Params(channel, list(symbols) or None, **more)
        await self.socket.send_bytes(write_request("subscribe", params, req_id))

    async def unsubscribe(self, channel: str, *symbols: str, req_id: int | None = None, **more: Any) -> None:
        params = Params(channel, list(symbols) or None, **more)
        await self.socket.send_bytes(write_request("unsubscribe", params, req_id))

    async def ask(self, text: str) -> dict[str, Any]:
        await self.socket.send_str(text)
        return await self.json()

    async def text(self, within_s: float = 5.0) -> bytes:
        """The next frame; raises ConnectionError when the connection has ended, TimeoutError when none comes."""
        message = await asyncio.wait_for(self.socket.receive(), within_s)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(message.type.name)
        data: str = message.data
        return data.encode()

    async def json(self, within_s: float = 5.0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.text(within_s))
        return found

    async def until(self, channel: str, kind: str = "", within_s: float = 5.0) -> dict[str, Any]:
        """The next frame of this channel and type."""
        while True:
            frame = await self.json(within_s)
            if frame.get("channel") == channel and kind in ("", frame.get("type")):
                return frame

    async def silence(self, for_s: float) -> bool:
        """Whether nothing comes for so long."""
        try:
            await self.text(for_s)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def client_of(server: LocalKraken) -> AsyncIterator[Client]:
    """A connection that has been told the exchange's state."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.websocket_url, max_msg_size=0) as socket:
        client = Client(socket)
        assert (await client.json())["channel"] == "status"
        yield client


async def get(server: LocalKraken, method: str, **query: str) -> dict[str, Any]:
    """The reply to a public REST request."""
    url = f"{server.rest_url}/0/public/{method}"
    async with aiohttp.ClientSession() as session, session.get(url, params=query) as answer:
        found: dict[str, Any] = json.loads(await answer.read())
        return found
