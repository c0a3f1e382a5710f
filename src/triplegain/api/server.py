"""The application on a socket, inside the event loop of the session."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from triplegain.domain.errors import TripleGainError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

_CONNECTIONS_MAX = 100
_STOP_WAIT_S = 5


class ListenError(TripleGainError):
    """The address cannot be listened on."""

    exit_code = 8


class ApiServer:
    """`port = await server.start()`, later `await server.stop()`. Signals stay with the session.

    The application, and all that answers HTTP, is made when the first connection arrives: a session that nobody asks
    pays for none of it. The connection waits meanwhile; the event loop does not.
    """

    def __init__(self, make_app: Callable[[], ASGIApp], host: str, port: int) -> None:
        self._make_app = make_app
        self._host = host
        self._port = port
        self._listener: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> int:
        """Listen; the port asked for, or a free one where that is taken. Raises ListenError."""
        self._listener = listener = _listen(self._host, self._port)
        asyncio.get_running_loop().add_reader(listener, self._wake)
        port: int = listener.getsockname()[1]
        return port

    def _wake(self) -> None:
        assert self._listener is not None
        asyncio.get_running_loop().remove_reader(self._listener)
        self._serving = asyncio.create_task(self._serve(self._listener), name="api")

    async def _serve(self, listener: socket.socket) -> None:
        self._server = server = await asyncio.to_thread(self._made)
        if not self._stopping:
            await server.serve(sockets=[listener])

    def _made(self) -> uvicorn.Server:
        import uvicorn

        server = uvicorn.Server(
            uvicorn.Config(
                self._make_app(),
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
        )
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
        return server

    async def stop(self) -> None:
        """Answer what is under way, for a few seconds at most, and close."""
        listener, self._listener, self._stopping = self._listener, None, True
        if listener is None:
            return
        asyncio.get_running_loop().remove_reader(listener)
        if self._server is not None:
            self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        listener.close()


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
            listener.listen()
    except OSError as error:
        listener.close()
        raise ListenError(f"cannot listen on {host}:{port}: {error}; see `host` and `port` in api.yaml") from error
    return listener


def _socket(family: int) -> socket.socket:
    """A stream that says it is TCP: only to such a one asyncio gives TCP_NODELAY, without which each answer on a
    connection that is kept waits for the acknowledgement of its own head, 40 ms long."""
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
