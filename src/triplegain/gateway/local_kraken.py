"""The local Kraken: a recorded market on a port of this machine, speaking Kraken's REST and WebSocket v2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import WSMsgType, web

from triplegain.domain.clock import SECOND_NS, Clock, SystemClock
from triplegain.feeds.captures.replay import open_replay
from triplegain.gateway.connection import Audience, Connection
from triplegain.gateway.fault_desk import ControlDesk, FaultDesk, FaultSchedule
from triplegain.gateway.faults import FaultKind
from triplegain.gateway.pacing import PacedPlayer, ServingSettings
from triplegain.gateway.requests import DENIED, RequestDesk, RestDesk
from triplegain.gateway.venue import Venue
from triplegain.market.feed import Feed, FeedError
from triplegain.venues.kraken.feed_line import DownLine, FrameLine, ReplyLine, write_line
from triplegain.venues.kraken.wire.rest import write_errors
from triplegain.venues.kraken.wire.writer import status

#: Is told what was sent, as it was sent.
OnSent = Callable[[FrameLine | ReplyLine | DownLine], object]


@contextmanager
def sent_log(path: Path) -> Iterator[OnSent]:
    """A file of lines, each written when its frame or reply went out. Raises FeedError where it cannot be."""
    try:
        file = path.open("wb")
    except OSError as error:
        raise FeedError(f"{path} cannot be written: {error.strerror}") from error
    with file:
        yield lambda line: file.write(write_line(line))


#: Only programs on this machine can reach it.
HOST = "127.0.0.1"

_FIRST_CONNECTION_ID = 12_393_906_104_898_154_338
_HOUSEKEEPING_S = 0.1


class LocalKraken:
    """Serves a capture or any feed of books or trades while the context is open.

        async with LocalKraken(path, ServingSettings(speed=10)) as server:
            server.rest_url, server.websocket_url, server.faults

    `on_sent` is told every frame and reply in the order it was handed to the network. Raises FeedError for a recording
    that cannot be served and for a port that is taken.
    """

    def __init__(
        self,
        source: Path | Feed,
        settings: ServingSettings | None = None,
        *,
        clock: Clock | None = None,
        on_sent: OnSent | None = None,
    ) -> None:
        self.settings = settings or ServingSettings()
        feed = open_replay(source) if isinstance(source, Path) else source
        self.venue = Venue(feed, loop=self.settings.loop, derive_xrp=self.settings.derive_xrp)
        if self.settings.history_s:
            self.venue.skip_to(self.venue.now_ns + round(self.settings.history_s * SECOND_NS))
        self.audience = Audience(self.venue)
        self._clock = clock or SystemClock()
        self._on_sent = on_sent
        self._rest = RestDesk(self.venue)
        self._requests = RequestDesk(self.venue, self.audience, self._on_subscribed)
        self.player = PacedPlayer(self.venue, self.audience, self.settings)
        self.faults = FaultDesk(self.venue, self.audience, self.player)
        self._subscribed: set[str] = set()
        self._connects = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def rest_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{HOST}:{self.port}/v2"

    async def __aenter__(self) -> LocalKraken:
        app = web.Application(client_max_size=64 * 1024)
        app.router.add_get("/v2", self._websocket)
        app.router.add_get("/auth/v2", self._websocket)
        app.router.add_get("/0/public/{method}", self._public)
        app.router.add_post("/0/public/{method}", self._public)
        app.router.add_post("/0/private/{method}", self._private)
        ControlDesk(self.venue, self.audience, self.player, self.faults).add_routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.settings.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            problem = error.strerror or str(error)
            raise FeedError(f"the local Kraken cannot listen on port {self.settings.port}: {problem}") from error
        self.port = self._runner.addresses[0][1]
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self.player.run()), loop.create_task(self._keep_house())]
        if self.settings.fault_seed is not None:
            schedule = FaultSchedule(self.settings.fault_seed, list(self.venue.markets), self.settings.fault_every_s)
            self._tasks.append(loop.create_task(schedule.run(self.faults)))
        if self.settings.start_after == ():
            self.player.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        self.faults.close()
        for connection in self.audience:
            connection.abort()
        if self._runner is not None:
            await self._runner.cleanup()
        failures = [one for one in ends if isinstance(one, Exception)]
        if failures and error is None:
            raise failures[0]

    async def serve_until(self, over: asyncio.Event) -> None:
        """Serves until told that it is over, or until something fails: leaving the context then raises what it was."""
        waiting = asyncio.get_running_loop().create_task(over.wait())
        pending: set[asyncio.Task[Any]] = {waiting, *self._tasks}
        while waiting in pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if any(not task.cancelled() and task.exception() is not None for task in done):
                waiting.cancel()
                return

    def _on_subscribed(self, channel: str) -> None:
        self._subscribed.add(channel)
        if self.settings.start_after is not None and self._subscribed.issuperset(self.settings.start_after):
            # Not before the whole request has been answered.
            asyncio.get_running_loop().call_soon(self.player.start)

    async def _public(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        if request.method == "POST":
            query |= {name: str(value) for name, value in (await request.post()).items()}
        if self.faults.armed.happens(FaultKind.TOO_MANY_REQUESTS):
            return web.Response(status=429, text="Too Many Requests")
        if self.faults.armed.happens(FaultKind.RATE_LIMIT):
            reply = write_errors(["EAPI:Rate limit exceeded"])
        else:
            reply = self._rest.on_public(request.match_info["method"], query)
        return self._reply(request, reply)

    async def _private(self, request: web.Request) -> web.Response:
        return self._reply(request, DENIED)

    def _reply(self, request: web.Request, reply: bytes) -> web.Response:
        if self._on_sent is not None:
            self._on_sent(ReplyLine(self._clock.now_ns(), request.path_qs, reply))
        return web.Response(body=reply, content_type="application/json")

    def _sent(self, number: int, frame: bytes) -> None:
        assert self._on_sent is not None
        self._on_sent(FrameLine(self._clock.now_ns(), number, frame))

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        refused = len(self.audience) >= self.settings.connections_max
        if refused or self.faults.armed.happens(FaultKind.REFUSE_CONNECTS):
            return web.Response(status=429, text="Too Many Requests")
        socket = web.WebSocketResponse(compress=False, autoping=False, autoclose=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        connection = Connection(
            self._connects, transport, socket.close, self.faults.armed, self._sent if self._on_sent else None
        )
        self._connects += 1
        self.audience.enter(connection)
        connection.answer(status(self.venue.system, _FIRST_CONNECTION_ID + connection.number))
        try:
            await self._listen(socket, connection)
        finally:
            self.audience.leave(connection)
            connection.drop()
            if self._on_sent is not None:
                self._on_sent(DownLine(self._clock.now_ns(), connection.number, "the connection ended"))
        return socket

    async def _listen(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        """Requests of a client, until either side ends the connection."""
        while True:
            message = await socket.receive()
            connection.heard()
            if connection.half_open:
                if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                    # Not even the end is answered.
                    await connection.until_answering(_HOUSEKEEPING_S)
                    return
                continue
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                slow = self.faults.armed.happens(FaultKind.SLOW_READER)
                if slow is not None:
                    await asyncio.sleep(slow.fault.delay_ms / 1000)
                text = message.data.encode() if isinstance(message.data, str) else message.data
                self._requests.on_request(connection, text)
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.CLOSE:
                await socket.close()
                return
            elif message.type in (WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return

    async def _keep_house(self) -> None:
        """Heartbeats, idle connections, faults that have come to their end."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(_HOUSEKEEPING_S, self.settings.heartbeat_s / 4))
            now = loop.time()
            self.faults.end_what_is_over()
            for connection in self.audience:
                if connection.topics and now - connection.last_sent >= self.settings.heartbeat_s:
                    connection.heartbeat()
                if now - max(connection.last_sent, connection.last_heard) >= self.settings.idle_s:
                    self.faults.end(connection, "idle")
