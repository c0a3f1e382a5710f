"""The application on a socket, inside the event loop of the session."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from triplegain.domain.errors import TripleGainError

_CONNECTIONS_MAX = 100
_STOP_WAIT_S = 5


class ListenError(TripleGainError):
    """The address cannot be listened on."""

    exit_code = 8


class ApiServer:
    """`port = await server.start()`, later `await server.stop()`. Signals stay with the session."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen; the port asked for, or a free one where that is taken. Raises ListenError."""
        listener = _listen(self._host, self._port)
        port: int = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http="h11",
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_graceful_shutdown=_STOP_WAIT_S,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="api")
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({ready, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            listener.close()
            await self._serving
            raise ListenError(f"the API on {self._host}:{port} ended before it began")
        return port

    async def stop(self) -> None:
        """Answer what is under way, for a few seconds at most, and close."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._server = self._serving = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = _socket(family)
    except OSError as error:
        raise ListenError(f"cannot listen on {host}: {error}; see `host` in api.yaml") from error
    try:
        if sys.platform != "win32":
            # A port that was just left may be taken at once; one that is in use may not.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            listener.close()
            listener = _socket(family)
            listener.bind((address[0], 0, *address[2:]))
    except OSError as error:
        listener.close()
        raise ListenError(f"cannot listen on {host}:{port}: {error}; see `host` and `port` in api.yaml") from error
    return listener


def _socket(family: int) -> socket.socket:
    """A stream that says it is TCP: only to such a one asyncio gives TCP_NODELAY, without which each answer on a
    connection that is kept waits for the acknowledgement of its own head, 40 ms long."""
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
