"""A server that knows nothing and answers as slowly as ours answers strangers: python -m tests.attack.dummy_server

It takes as many connections a second, holds as many, lets the longest idle go for a new one, and after its first
answers on a connection waits as long before the next, so that a flood of it costs the flood the same. Says its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

from triplegain.api.connections import _HEAD_S, _HOLD_S, _STRANGERS_MAX
from triplegain.api.server import _BURST, _PER_S

_ANSWER = b"HTTP/1.1 421 Misdirected Request\r\nContent-Length: 2\r\n\r\n{}"
_CLOSING = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
#: Answers to one address in a row before each of its connections is kept waiting, and how many more in a second.
_FREE, _FREE_PER_S = 600, 10


class Dummy:
    def __init__(self) -> None:
        self._idle: dict[asyncio.StreamWriter, None] = {}
        self._free = float(_FREE)
        self._counted_s = 0.0

    async def serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()
        full_at_s = loop.time()
        while True:
            accepted, (address, _) = await loop.sock_accept(listener)
            task = loop.create_task(self._answer(accepted, address))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            full_at_s = max(full_at_s, loop.time()) + 1 / _PER_S
            await asyncio.sleep(full_at_s - loop.time() - _BURST / _PER_S)

    async def _answer(self, accepted: socket.socket, address: str) -> None:
        reader, writer = await asyncio.open_connection(sock=accepted)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            self._enter(writer)
            async with asyncio.timeout(_HEAD_S):
                request = await reader.readuntil(b"\r\n\r\n")
            while b"Connection: close" not in request:
                writer.write(_ANSWER)
                if not self._is_free():
                    await asyncio.sleep(_HOLD_S)
                request = await reader.readuntil(b"\r\n\r\n")
            writer.write(_CLOSING)
        self._idle.pop(writer, None)
        writer.close()

    def _enter(self, writer: asyncio.StreamWriter) -> None:
        if len(self._idle) >= _STRANGERS_MAX:
            idle = next(iter(self._idle))
            del self._idle[idle]
            idle.close()
        self._idle[writer] = None

    def _is_free(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        self._free = min(_FREE, self._free + (now_s - self._counted_s) * _FREE_PER_S) - 1
        self._counted_s = now_s
        return self._free > 0


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    listener.setblocking(False)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Dummy().serve(listener))


if __name__ == "__main__":
    main()
