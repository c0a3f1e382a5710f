"""The application at its two doors, inside the event loop of the session."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from triplegain.api import owner_socket
from triplegain.domain.errors import TripleGainError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from triplegain.api.connections import Connection

_LOG = logging.getLogger(__name__)
_STOP_WAIT_S = 5
#: A run that may be over in a moment makes the application only for who asks; one that stays, once its market is there.
_READY_AFTER_S, _READY_SOON_S = 60.0, 0.5
#: Connections of the network: so many at once, and then so many a second. Nobody must keep the session from its market
#: by connecting.
_BURST, _PER_S = 100, 200
_NO_DESCRIPTORS_WAIT_S = 0.1


class ListenError(TripleGainError):
    """The address cannot be listened on."""

    exit_code = 8


class ApiServer:
    """`port = await server.start()`, later `await server.stop()`. Signals stay with the session.

    It listens on the network and on the owner's socket in `folder`. The application, and all that answers HTTP, is
    made in a thread when the first connection arrives, or after a while, so that whoever needs it then does not wait:
    a short run that nobody asks pays for none of it. `stays`: it runs for as long as a market takes.
    """

    def __init__(
        self, make_app: Callable[[], ASGIApp], host: str, port: int, folder: Path, *, stays: bool = False
    ) -> None:
        self._make_app = make_app
        self._host = host
        self._port = port
        self._ready_after_s = _READY_SOON_S if stays else _READY_AFTER_S
        self._path = owner_socket.socket_of(folder, os.getpid())
        self._listeners: list[socket.socket] = []
        self._servers: list[uvicorn.Server] = []
        self._serving: asyncio.Task[None] | None = None
        self._waking: asyncio.TimerHandle | None = None

    async def start(self) -> int:
        """Listen; the port asked for, or a free one where that is taken. Raises ListenError, OwnerSocketError."""
        self._listeners.append(_listen(self._host, self._port))
        try:
            self._listeners.append(owner_socket.listen(self._path))
        except TripleGainError:
            self._close()
            raise
        for listener in self._listeners:
            listener.setblocking(False)
            asyncio.get_running_loop().add_reader(listener, self._wake)
        self._waking = asyncio.get_running_loop().call_later(self._ready_after_s, self._wake)
        port: int = self._listeners[0].getsockname()[1]
        return port

    def _wake(self) -> None:
        self._sleep_on()
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
        self._serving = asyncio.create_task(self._serve(), name="the API")
        self._serving.add_done_callback(_told)

    async def _serve(self) -> None:
        network, owner = self._listeners
        app = await asyncio.to_thread(self._made)
        at_network, at_owner = self._servers = [_server(app), _server(app)]
        accepting = [
            asyncio.create_task(_accept_strangers(network, at_network), name="the API's door to the network"),
            asyncio.create_task(_accept_owner(owner, at_owner), name="the API's door for its owner"),
        ]
        for task in accepting:
            task.add_done_callback(_told)
        try:
            await asyncio.gather(*(server.serve(sockets=[]) for server in self._servers))
        finally:
            for task in accepting:
                task.cancel()

    def _sleep_on(self) -> None:
        if self._waking is not None:
            self._waking.cancel()

    def _made(self) -> ASGIApp:
        import triplegain.api.connections  # noqa: F401  # loads what answers HTTP

        app = self._make_app()
        # It stays to the end: no collection of garbage has to look through it again.
        gc.freeze()
        return app

    async def stop(self) -> None:
        """Answer what is under way, for a few seconds at most, and close."""
        if not self._listeners:
            return
        self._sleep_on()
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
        if self._serving is not None:
            while not self._servers and not self._serving.done():
                await asyncio.sleep(0.01)
            for server in self._servers:
                server.should_exit = True
            await asyncio.wait([self._serving])
        self._close()

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        if len(self._listeners) == 2:
            self._path.unlink(missing_ok=True)
        self._listeners.clear()


def _told(task: asyncio.Task[None]) -> None:
    """Nobody waits for it: that it has failed stands in the log, or nowhere."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("%s does not answer any more", task.get_name(), exc_info=error)


def _server(app: ASGIApp) -> uvicorn.Server:
    """Without listeners of its own: connections are accepted here and handed to it."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_WAIT_S,
    )
    config.load()
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    return server


async def _accept_strangers(listener: socket.socket, server: uvicorn.Server) -> None:
    """Until cancelled. How fast is bounded: what is too much waits in the kernel."""
    from triplegain.api.connections import NetworkConnection, Slots

    loop, slots = asyncio.get_running_loop(), Slots()
    full_at_s = loop.time()
    while True:
        accepted = await _accepted(listener)
        await _hand_over(accepted, NetworkConnection(server.config, server.server_state, loop, slots))
        full_at_s = max(full_at_s, loop.time()) + 1 / _PER_S
        await asyncio.sleep(full_at_s - loop.time() - _BURST / _PER_S)


async def _accept_owner(listener: socket.socket, server: uvicorn.Server) -> None:
    """Until cancelled. Whoever is neither the user of this process nor root is not spoken to."""
    from triplegain.api.connections import OwnerConnection

    loop = asyncio.get_running_loop()
    while True:
        accepted = await _accepted(listener)
        try:
            uid = owner_socket.peer_uid(accepted)
        except OSError:
            accepted.close()
            continue
        if uid in (0, os.geteuid()):
            await _hand_over(accepted, OwnerConnection(server.config, server.server_state, loop, uid))
        else:
            accepted.close()


async def _accepted(listener: socket.socket) -> socket.socket:
    while True:
        try:
            return (await asyncio.get_running_loop().sock_accept(listener))[0]
        except OSError:
            # Whoever connected has gone again, or no file can be opened now.
            await asyncio.sleep(_NO_DESCRIPTORS_WAIT_S)


async def _hand_over(accepted: socket.socket, connection: Connection) -> None:
    try:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, accepted)
    except OSError:
        accepted.close()


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
