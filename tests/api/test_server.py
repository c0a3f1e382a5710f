"""The application on a real socket of the loopback."""

from __future__ import annotations

import signal
import socket

import httpx
import pytest
from tests.api.conftest import Bench

from triplegain.api.server import ApiServer, ListenError


async def test_it_answers_on_the_port_it_names_leaves_signals_alone_and_stops(bench: Bench) -> None:
    before = signal.getsignal(signal.SIGINT)
    server = ApiServer(bench.app, "127.0.0.1", 0)
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


async def test_a_port_that_is_taken_is_replaced_by_a_free_one(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ApiServer(bench.app, "127.0.0.1", taken.getsockname()[1])
        port = await server.start()
        assert port != taken.getsockname()[1]
        await server.stop()


async def test_an_address_that_is_not_ours_is_refused_with_where_to_change_it(bench: Bench) -> None:
    with pytest.raises(ListenError, match=r"api\.yaml"):
        await ApiServer(bench.app, "192.0.2.1", 0).start()
