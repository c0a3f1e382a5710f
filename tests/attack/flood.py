"""A flood from this machine without a key: python -m tests.attack.flood PORT [PORT ...]; it goes on until it is ended.

110 connections that send nothing or half a head and are opened again when they are closed; six that ask as a foreign
page would, as fast as they are answered; two that guess keys, each time from another address of the loopback. Says
`flooding` once all of it runs, and when its standard input ends, what was answered and what it took of a processor.
"""

from __future__ import annotations

import collections
import itertools
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_IDLE = 110
_PAGE = b"GET /health/live HTTP/1.1\r\nHost: evil.example\r\nOrigin: https://evil.example\r\n\r\n"
_GUESS = b"GET /api/v1/paper/mode HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer x\r\n\r\n"


@dataclass(slots=True)
class Flooded:
    """What a flood got: how often each status or failure, and seconds of a processor that it took itself."""

    answers: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0


@contextmanager
def flooded(port: int) -> Iterator[Flooded]:
    """A flood of that port from a process of its own, all of it running; its figures are there at the end."""
    words = [sys.executable, "-m", "tests.attack.flood", str(port)]
    figures = Flooded()
    with subprocess.Popen(words, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as flood:
        assert flood.stdin is not None and flood.stdout is not None
        try:
            assert flood.stdout.readline() == b"flooding\n"
            yield figures
        finally:
            flood.stdin.close()
            told = json.loads(flood.stdout.readline() or b"{}")
            figures.answers, figures.cpu_s = told.get("answers", {}), told.get("cpu_s", 0.0)
            flood.wait(30)


class Flood:
    def __init__(self, port: int) -> None:
        self.address = ("127.0.0.1", port)
        self.seen: collections.Counter[str] = collections.Counter()
        self.over = threading.Event()

    def hold(self, begun: threading.Event) -> None:
        """Idle connections, every other one with half a head."""
        held: list[socket.socket] = []
        while not self.over.is_set():
            while len(held) < _IDLE:
                held.append(self._connect())
                if len(held) % 2:
                    held[-1].sendall(b"GET /health/live HTTP/1.1\r\nX-A: ")
            begun.set()
            self.over.wait(0.2)
            held = [each for each in held if not _closed(each)]

    def ask(self, begun: threading.Event) -> None:
        while not self.over.is_set():
            with self._connect() as connection:
                while not self.over.is_set() and self._answered(connection, _PAGE):
                    begun.set()

    def guess(self, begun: threading.Event, block: int) -> None:
        for number in itertools.count(1):
            if self.over.is_set():
                return
            source = f"127.{block}.{number >> 8 & 255}.{number & 255 or 1}"
            with self._connect(source) as connection:
                self._answered(connection, _GUESS)
            begun.set()

    def _answered(self, connection: socket.socket, request: bytes) -> bool:
        try:
            connection.sendall(request)
            answer = _whole_answer(connection)
        except OSError as error:
            self.seen[type(error).__name__] += 1
            return False
        self.seen[answer[9:12].decode() or "closed"] += 1
        return bool(answer)

    def _connect(self, source: str = "127.0.0.1") -> socket.socket:
        while True:
            try:
                return socket.create_connection(self.address, timeout=10, source_address=(source, 0))
            except OSError as error:
                self.seen[type(error).__name__] += 1
                if self.over.wait(0.05):
                    return socket.socket()


def _whole_answer(connection: socket.socket) -> bytes:
    """Head and body; what came before the end where it is cut off."""
    answer = b""
    while more := connection.recv(4096):
        answer += more
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if length and len(body) >= int(length[1]):
            break
    return answer


def _closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def main(ports: list[int]) -> None:
    floods = [Flood(port) for port in ports]
    for flood in floods:
        work: list[Callable[[threading.Event], None]] = [
            flood.hold,
            *[flood.ask] * 6,
            *(partial(flood.guess, block=block) for block in (7, 8)),
        ]
        begun = [threading.Event() for _ in work]
        for each, event in zip(work, begun, strict=True):
            threading.Thread(target=each, args=(event,), daemon=True).start()
        for event in begun:
            event.wait()
    sys.stdout.write("flooding\n")
    sys.stdout.flush()
    sys.stdin.read()
    for flood in floods:
        flood.over.set()
    told = Flooded(dict(sum((flood.seen for flood in floods), collections.Counter())), time.process_time())
    sys.stdout.write(json.dumps({"answers": told.answers, "cpu_s": told.cpu_s}) + "\n")


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:]])
