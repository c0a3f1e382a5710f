"""A Kraken on loopback, good until it is told to be bad: frames and replies that no exchange sends."""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from aiohttp import web
from tests.attack.watching import ESCAPES
from tests.feeds.small_exchange import HEARTBEAT, status
from tests.venues.scripted_kraken import ScriptedKraken

_WORDS = json.dumps(ESCAPES)[1:-1]
_LEVEL = '{"price":1.0,"qty":1}'
_DIGITS = "7" * 100_000


def _book(levels: str) -> str:
    return (
        '{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","checksum":1,"bids":['
        + levels
        + '],"asks":[],"timestamp":"2023-11-14T22:13:20.000000Z"}]}'
    )


def _trade(**fields: str) -> str:
    told = {"symbol": '"BTC/USD"', "side": '"buy"', "price": "100.0", "qty": "1", "trade_id": "9", "timestamp": '"x"'}
    row = ",".join(f'"{name}":{value}' for name, value in (told | fields).items())
    return '{"channel":"trade","type":"update","data":[' + row + "]}"


#: Frames by what is wrong with them; each entry is sent as it stands.
FRAMES: dict[str, list[str]] = {
    "status words": [status(f"{_WORDS} {number}").decode() for number in range(300)],
    "a long status": [status("x" * 1_000_000).decode()],
    "many statuses": ['{"channel":"status","type":"update","data":[' + '{"system":"a"},{"system":"online"},' * 90_000
                      + '{"system":"online"}]}'],
    "pair words": ['{"channel":"instrument","type":"update","data":{"pairs":[{"symbol":"BTC/USD","status":"'
                   + _WORDS + '"}]}}'],
    "many pairs": ['{"channel":"instrument","type":"update","data":{"pairs":['
                   + '{"symbol":"BTC/USD","status":"a"},{"symbol":"BTC/USD","status":"online"},' * 45_000
                   + '{"symbol":"BTC/USD","status":"online"}]}}'],
    "a tick of a billion digits": ['{"channel":"instrument","type":"update","data":{"pairs":[{"symbol":"BTC/USD",'
                                   '"status":"online","price_increment":1e-999999999}]}}',
                                   '{"channel":"instrument","type":"update","data":{"pairs":[{"symbol":"BTC/USD",'
                                   '"status":"online","price_increment":1e999999999}]}}'],
    "deep": ["[" * 100_000 + "]" * 100_000, _book("[" * 100_000 + "]" * 100_000)],
    "refusal words": ['{"method":"subscribe","success":false,"symbol":"BTC/USD","error":"' + _WORDS + '"}'],
    "symbols": [_book(_LEVEL).replace("BTC/USD", _WORDS) for _ in range(50)],
    "levels": [_book(",".join([_LEVEL] * 150_000))] * 3,
    "levels within the bound": [_book(",".join([_LEVEL] * 11_000))] * 20,
    "digits": [_book('{"price":' + _DIGITS + ',"qty":1}'), _book('{"price":1.' + "0" * 100_000 + ',"qty":1}'),
               _trade(price=_DIGITS), _trade(qty="1e999999999"), _trade(trade_id=_DIGITS), _trade(side=f'"{_WORDS}"'),
               _trade(timestamp='"' + "9" * 100_000 + '"')],
    "garbage": ["\x00\u202e\x9b", "null", "123", '""', '{"channel":null}', '{"channel":"book","type":"x","data":[]}'],
    "heartbeats": [HEARTBEAT.decode()] * 20_000,
    "a frame of 50 MB": ['{"channel":"x","a":"' + "y" * 50_000_000 + '"}'],
}  # fmt: skip


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HostileFeed:
    """`ScriptedKraken` in a thread; `send` and `spoil` may be called from any other."""

    def __init__(self) -> None:
        self.kraken = ScriptedKraken("BTC/USD")
        self.spoiled = ""
        self._loop = asyncio.new_event_loop()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TRIPLEGAIN_KRAKEN_REST_URL": self.kraken.rest_url, "TRIPLEGAIN_KRAKEN_WS_URL": self.kraken.websocket_url
        }  # fmt: skip

    @contextmanager
    def serving(self) -> Iterator[HostileFeed]:
        ready, ending = threading.Event(), asyncio.Event()
        rest = self.kraken._rest
        self.kraken._rest = self._spoilt(rest)  # type: ignore[method-assign, assignment]

        async def serve() -> None:
            async with self.kraken.serving():
                ready.set()
                await ending.wait()

        thread = threading.Thread(target=self._loop.run_until_complete, args=(serve(),), daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(ending.set)
            thread.join(10)

    def _spoilt(self, rest: Answer) -> Answer:
        async def answer(request: web.Request) -> web.StreamResponse:
            match self.spoiled:
                case "words":
                    return web.json_response({"error": [f"EQuery:{ESCAPES}" * 1000] * 1000})
                case "gzip":
                    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
                    body = b"".join(packer.compress(b" " * 1_000_000) for _ in range(200)) + packer.flush()
                    return web.Response(body=body, headers={"Content-Encoding": "gzip"})
                case "endless":
                    endless = web.StreamResponse()
                    await endless.prepare(request)
                    while True:
                        await endless.write(b" " * 65536)
                case "deep":
                    return web.Response(body=b'{"error":[],"result":' + b"[" * 1_000_000)
            return await rest(request)

        return answer

    def drop(self) -> None:
        """Every connection is reset."""
        self._loop.call_soon_threadsafe(self.kraken.drop)

    def send(self, frames: list[str]) -> None:
        """To every connection, one after the other."""

        async def told() -> None:
            for frame in frames:
                for socket in list(self.kraken.sockets):
                    with suppress(ConnectionError, OSError):
                        await socket.send_str(frame)

        asyncio.run_coroutine_threadsafe(told(), self._loop).result(30)
