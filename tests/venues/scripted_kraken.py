"""A tiny Kraken on loopback that does what a test tells it: one instrument or two, and any misbehaviour."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web
from tests.feeds.small_exchange import HEARTBEAT, START, SmallExchange, ack, pair_row, status

Socket = web.WebSocketResponse


class ScriptedKraken:
    """`exchanges` by symbol; `refuses` gives an error for a request (method, channel, symbol), or nothing."""

    def __init__(self, *symbols: str) -> None:
        self.exchanges = {symbol: SmallExchange(symbol) for symbol in symbols or ("BTC/USD",)}
        for exchange in self.exchanges.values():
            exchange.trade_row()
            exchange.open()
        self.sockets: list[Socket] = []
        self.connects = 0
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self.paths: list[str] = []
        #: Errors in place of a reply, by the last part of the path; `None` lets the request hang.
        self.rest_errors: dict[str, str | None] = {}
        self.refuses: Callable[[str, str, str], str | None] = lambda method, channel, symbol: None
        #: What a refusal names in place of its symbol.
        self.refused_as: dict[str, str] | None = None
        self.is_deaf = False
        self.rejects_sockets = 0
        self.beats_every_s = 0.02
        self.rest_url = self.websocket_url = ""
        self._beating: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ScriptedKraken]:
        app = web.Application()
        app.router.add_get("/v2", self._socket)
        app.router.add_get("/0/public/{name}", self._rest)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        self.rest_url, self.websocket_url = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/v2"
        self._beating = asyncio.create_task(self._beat())
        try:
            yield self
        finally:
            self._beating.cancel()
            self.drop()
            await runner.cleanup()

    @property
    def exchange(self) -> SmallExchange:
        return next(iter(self.exchanges.values()))

    async def tell(self, frame: bytes) -> None:
        """To everybody."""
        for socket in self.sockets:
            await socket.send_str(frame.decode(errors="replace"))

    def drop(self) -> None:
        """Every connection is reset."""
        for socket in self.sockets:
            if (transport := socket.get_extra_info("transport")) is None and socket._req is not None:
                transport = socket._req.transport
            if transport is not None:
                transport.abort()
        self.sockets.clear()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.beats_every_s)
            if not self.is_deaf:
                for socket in list(self.sockets):
                    try:
                        await socket.send_str(HEARTBEAT.decode())
                    except (ConnectionError, OSError):
                        self.sockets.remove(socket)

    async def _rest(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.paths.append(request.path_qs)
        if name in self.rest_errors:
            error = self.rest_errors[name]
            if error is None:
                await asyncio.sleep(60)
            return web.json_response({"error": [error]})
        query = request.query
        names = {symbol.replace("BTC", "XBT").replace("/", ""): one for symbol, one in self.exchanges.items()}
        if name == "AssetPairs":
            wanted = query.get("pair", ",".join(names)).split(",")
            if any(one not in names for one in wanted):
                return web.json_response({"error": ["EQuery:Unknown asset pair"]})
            return _result({one: pair_row(names[one].symbol) for one in wanted})
        if name == "Time":
            return _result({"unixtime": self.exchange.time_ns // 10**9, "rfc1123": ""})
        if name == "Trades":
            line = names[query["pair"]].trades_line(int(query["since"]), 0, int(query.get("count", "1000")))
            return web.Response(body=line.reply, content_type="application/json")
        if name == "OHLC":
            opened = START // 10**9
            row = [opened, "100.0", "101.0", "99.0", "100.0", "100.0", "2.00000000", 2]
            return _result({query["pair"]: [row, [opened + 60 * int(query["interval"]), *row[1:]]], "last": opened})
        return web.json_response({"error": ["EGeneral:Unknown method"]})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self.connects += 1
        if self.rejects_sockets:
            self.rejects_sockets -= 1
            return web.Response(status=429)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.send_str(status("online").decode())
        async for message in socket:
            if message.type is WSMsgType.TEXT and not self.is_deaf:
                await self._on_request(socket, json.loads(message.data))
        return socket

    async def _on_request(self, socket: Socket, request: dict[str, Any]) -> None:
        method, number = request["method"], request.get("req_id")
        if method == "ping":
            self.asked.append((method, "", ()))
            await socket.send_str(json.dumps({"method": "pong", "req_id": number}))
            return
        params = request["params"]
        channel, symbols = params["channel"], tuple(params.get("symbol") or ("",))
        self.asked.append((method, channel, symbols))
        for symbol in symbols:
            error = self.refuses(method, channel, symbol)
            if error == "":
                continue
            if error:
                refusal = {"error": error, "method": method, "req_id": number, "success": False}
                named = {"symbol": symbol} if self.refused_as is None else self.refused_as
                await socket.send_str(json.dumps(refusal | named))
                continue
            reply = json.loads(ack(channel, symbol, params.get("depth") or 10)) | {"method": method, "req_id": number}
            await socket.send_str(json.dumps(reply))
            if method == "subscribe" and channel in ("book", "trade"):
                exchange = self.exchanges[symbol]
                frame = exchange.snapshot() if channel == "book" else exchange.trade_snapshot()
                await socket.send_str(frame.decode())


def _result(result: object) -> web.Response:
    return web.json_response({"error": [], "result": result})
