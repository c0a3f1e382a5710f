"""The application on a real socket of the loopback."""

from __future__ import annotations

import asyncio
import signal
import socket
import statistics
import threading
import time
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.api.conftest import Bench
from tests.yardstick import slowness

from triplegain.api.server import ApiServer, ListenError


async def test_it_answers_on_the_port_it_names_leaves_signals_alone_and_stops(bench: Bench, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    server = ApiServer(lambda: bench.app, "127.0.0.1", 0, tmp_path)
    port = await server.start()
    assert signal.getsignal(signal.SIGINT) is before
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/health/live")
        assert answer.json()["status"] == "live"
        assert "server" not in answer.headers
        await server.stop()
        await server.stop()
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://127.0.0.1:{port}/health/live")


async def test_a_port_that_is_taken_is_replaced_by_a_free_one(bench: Bench, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ApiServer(lambda: bench.app, "127.0.0.1", taken.getsockname()[1], tmp_path)
        port = await server.start()
        assert port != taken.getsockname()[1]
        await server.stop()


async def test_an_address_that_is_not_ours_is_refused_with_where_to_change_it(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=r"api\.yaml"):
        await ApiServer(lambda: bench.app, "192.0.2.1", 0, tmp_path).start()


async def test_an_application_that_cannot_be_made_is_told_of_and_stops_like_any_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> FastAPI:
        raise ImportError("a part of the installation is missing")

    server = ApiServer(broken, "127.0.0.1", 0, tmp_path)
    socket.create_connection(("127.0.0.1", await server.start())).close()
    async with asyncio.timeout(10):
        while not caplog.records:
            await asyncio.sleep(0.01)
    await server.stop()
    assert "the API does not answer any more" in caplog.text and "a part of the installation" in caplog.text
    assert not list(tmp_path.glob("*.sock"))


@pytest.mark.parametrize("stays", [False, True])
async def test_a_run_that_stays_has_its_application_before_anybody_asks(
    bench: Bench, tmp_path: Path, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triplegain.api.server._READY_SOON_S", 0.01)
    made = threading.Event()

    def app() -> FastAPI:
        made.set()
        return bench.app

    server = ApiServer(app, "127.0.0.1", 0, tmp_path, stays=stays)
    await server.start()
    assert await asyncio.to_thread(made.wait, 8 if stays else 0.3) is stays
    await server.stop()


@pytest.mark.parametrize("is_taken", [False, True])
async def test_an_answer_on_a_connection_that_is_kept_does_not_wait_for_its_own_acknowledgement(
    bench: Bench, tmp_path: Path, is_taken: bool
) -> None:
    """Without TCP_NODELAY the body of an answer waits 40 ms for the acknowledgement of its head."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ApiServer(lambda: bench.app, "127.0.0.1", taken.getsockname()[1] if is_taken else 0, tmp_path)
        port = await server.start()
    waited_s = await asyncio.to_thread(_answer_times, port)
    await server.stop()
    assert statistics.median(waited_s) < 0.03 * slowness()


def _answer_times(port: int) -> list[float]:
    """Seconds from the question to the whole answer, over one connection, without the first."""
    waited_s = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(12):
            asked_at = time.perf_counter()
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(4096)
            waited_s.append(time.perf_counter() - asked_at)
    return waited_s[1:]
