from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from triplegain.market.feed import FeedError
from triplegain.venues.kraken import rest as kraken_rest
from triplegain.venues.kraken.rest import KrakenRefusal, KrakenRest, asset_pairs_path, ohlc_path, trades_path

GOOD = b'{"error":[],"result":{}}'


@asynccontextmanager
async def serving(*replies: tuple[int, bytes]) -> AsyncIterator[tuple[str, list[str]]]:
    """Answers one request after the other with these; the last one stays."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        status, body = replies[min(len(asked), len(replies)) - 1]
        if not status:
            await asyncio.sleep(60)
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def test_a_reply_comes_back_as_it_was_sent() -> None:
    body = b'{"error":[],"result":{"unixtime":5}}'
    async with serving((200, body)) as (url, asked), KrakenRest(url, 5) as rest:
        assert await rest.get("/0/public/Trades?pair=XBTUSDT&since=0") == body
        assert await rest.get("/0/public/Time") == body
    assert asked == ["/0/public/Trades?pair=XBTUSDT&since=0", "/0/public/Time"]


def test_paths_use_krakens_names() -> None:
    assert asset_pairs_path(("BTC/USDT", "XRP/BTC")) == "/0/public/AssetPairs?pair=XBTUSDT,XRPXBT"
    assert asset_pairs_path() == "/0/public/AssetPairs"
    assert trades_path("BTC/USDT", 5, 10) == "/0/public/Trades?pair=XBTUSDT&since=5&count=10"
    assert ohlc_path("XRP/USDT", 60) == "/0/public/OHLC?pair=XRPUSDT&interval=60"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b'{"error":["EQuery:Unknown asset pair"]}', "Kraken refuses /0/public/X: EQuery:Unknown asset pair"),
        (503, b"<html>", "answers with HTTP status 503"),
        (503, GOOD, "answers with HTTP status 503"),
        (200, b"<html>", "does not answer as Kraken does: check the address"),
        (200, b"[]", "does not answer as Kraken does: check the address"),
        (0, b"", r"did not answer within 0\.05 s"),
    ],
)
async def test_what_is_no_good_reply_says_why(status: int, body: bytes, words: str) -> None:
    async with serving((status, body)) as (url, _), KrakenRest(url, 0.05) as rest:
        with pytest.raises(FeedError, match=words):
            await rest.get("/0/public/X?pair=1")


async def test_an_address_where_nobody_is_says_so() -> None:
    async with serving((200, GOOD)) as (url, _):
        pass
    async with KrakenRest(url, 5) as rest:
        with pytest.raises(FeedError, match="cannot be reached"):
            await rest.get("/0/public/SystemStatus")


@pytest.mark.parametrize(
    "limited",
    [(200, b'{"error":["EAPI:Rate limit exceeded"]}'), (429, b""), (200, b'{"error":["EService: Throttled: 17"]}')],
)
async def test_a_request_that_came_too_soon_is_repeated(
    limited: tuple[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kraken_rest, "_RATE_LIMIT_WAITS_S", (0.0, 0.0, 0.0))
    async with serving(limited, limited, (200, GOOD)) as (url, asked), KrakenRest(url, 5, 1e6) as rest:
        assert await rest.get("/x") == GOOD
    assert len(asked) == 3
    async with serving(limited) as (url, asked), KrakenRest(url, 5, 1e6) as rest:
        with pytest.raises(KrakenRefusal) as refused:
            await rest.get("/x")
    assert len(asked) == 4 and refused.value.is_rate_limit


async def test_a_burst_goes_out_at_once_and_the_rest_at_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    now = [1000.0]

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("triplegain.venues.kraken.rest.time.monotonic", lambda: now[0])
    rest = KrakenRest("http://127.0.0.1:1", 5, 2.0)
    monkeypatch.setattr("triplegain.venues.kraken.rest.asyncio.sleep", sleep)
    for _ in range(7):
        await rest._take_turn()
    assert waits == [0.5, 0.5]
    now[0] += 60
    for _ in range(5):
        await rest._take_turn()
    assert waits == [0.5, 0.5]


async def test_several_who_ask_at_once_do_not_share_a_turn() -> None:
    async with serving((200, GOOD)) as (url, asked), KrakenRest(url, 5, 1e6) as rest:
        await asyncio.gather(*(rest.get(f"/{n}") for n in range(8)))
    assert len(asked) == 8
