"""Whoever answers where the operator's messages go."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.app.paper_process import PaperHome, eventually

from triplegain.app.operation.message import Message, deliver

pytestmark = pytest.mark.slow

_PAPER = ("paper", "--feed", "demo", "--llm", "none", "--speed", "1", "--session", "told", "--json")
_BLOCK, _BLOCKS = b"x" * (1 << 20), 800
#: Far above what a session takes, far below what is sent.
_MEMORY_MAX_MB = 600


class _Endless(BaseHTTPRequestHandler):
    """Answers with 800 MB, or one byte each half second."""

    drips = False
    over = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(_BLOCKS):
                self.wfile.write(_BLOCK[:1] if self.drips else _BLOCK)
                if self.drips and self.over.wait(0.5):
                    break
        self.over.set()

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Dripping(_Endless):
    drips = True
    over = threading.Event()


@contextlib.contextmanager
def _place(handler: type[_Endless]) -> Iterator[str]:
    handler.over.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"json://127.0.0.1:{server.server_port}/"
        finally:
            handler.over.set()
            server.shutdown()


def _peak_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def test_an_answer_without_an_end_does_not_fill_the_memory_of_a_session(home: PaperHome) -> None:
    with _place(_Endless) as url, home.running(*_PAPER, environ={"TRIPLEGAIN_NOTIFY_URLS": url}) as running:
        eventually(lambda: _Endless.over.is_set() or running.is_over, "the answer's end")
        log = home.path / "log" / "told.log"
        eventually(lambda: "notifications do not arrive at place 1 (json)" in log.read_text(), "the log's word")
        assert _peak_mb(running.process.pid) < _MEMORY_MAX_MB
        assert running.interrupt().code == 0


def test_an_answer_that_drips_is_given_up(home: PaperHome) -> None:
    began = time.monotonic()
    with _place(_Dripping) as url:
        assert not deliver(Message(url, "title", "body"), deadline_s=4)
    assert time.monotonic() - began < 10
