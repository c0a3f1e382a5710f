"""Both listeners on real sockets: what strangers may hold, what is answered that is no HTTP, and who is the owner."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from tests.api.conftest import Bench

from triplegain.api import connections, owner_socket
from triplegain.api.access import RequestLimits
from triplegain.api.address import running_folder
from triplegain.api.owner_socket import OwnerSocketError, reachable, socket_of
from triplegain.api.server import ApiServer

ASK = b"GET /paper/mode HTTP/1.1\r\nHost: 127.0.0.1\r\n"
KEY = b"Authorization: Bearer key-of-admin\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def served(bench: Bench, home: Path) -> AsyncIterator[int]:
    server = ApiServer(lambda: bench.app, "127.0.0.1", 0, running_folder(home))
    yield await server.start()
    await server.stop()


async def answer_of(stream: Stream, request: bytes) -> tuple[int, dict[str, object]]:
    """Status and JSON of one answer."""
    reader, writer = stream
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length: ")[1].split("\r\n")[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


@asynccontextmanager
async def connected(port: int, count: int) -> AsyncIterator[list[Stream]]:
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            found.append((reader, writer))
        yield found


async def test_idle_strangers_make_room_for_the_next_and_a_known_key_keeps_its_place(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_STRANGERS_MAX", 4)
    async with served(bench, tmp_path) as port, connected(port, 2) as (known, first):
        assert (await answer_of(known, ASK + KEY + b"\r\n"))[0] == 200
        # Half a head is idle as well.
        first[1].write(b"GET /health/live HTTP/1.1\r\nX-A: ")
        async with connected(port, 4) as others:
            assert await first[0].read() == b"", "the longest idle is closed"
            for stream in others:
                assert (await answer_of(stream, ASK + b"\r\n"))[0] == 401
            assert (await answer_of(known, ASK + KEY + b"\r\n"))[0] == 200


async def test_a_head_that_does_not_come_is_given_up(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_HEAD_S", 0.05)
    async with served(bench, tmp_path) as port:
        async with connected(port, 1) as [silent]:
            assert await silent[0].read() == b""
        async with connected(port, 1) as [slow]:
            status, told = await answer_of(slow, b"GET /health/live HTTP/1.1\r\nX-A: ")
            assert (status, told["error_code"]) == (408, "request_timeout")
            assert await slow[0].read() == b""


async def test_bytes_that_drip_do_not_prolong_the_time_of_a_head(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_HEAD_S", 0.1)
    async with served(bench, tmp_path) as port, connected(port, 1) as [(reader, writer)]:
        writer.write(b"GET /health/live HTTP/1.1\r\nX-A: ")
        answer = asyncio.create_task(reader.read())
        async with asyncio.timeout(10):
            while not answer.done():
                writer.write(b"a")
                await asyncio.sleep(0)
        # What was still being sent may have cost the answer.
        with suppress(ConnectionError):
            assert b" 408 " in answer.result()


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GARBAGE\r\n\r\n", 400, "unreadable"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "unreadable"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "unreadable"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "unreadable"),
        (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 70_000, 431, "head_too_large"),
        (ASK + KEY + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "unreadable"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_the_one_shape(
    bench: Bench, tmp_path: Path, sent: bytes, status: int, code: str
) -> None:
    async with served(bench, tmp_path) as port, connected(port, 1) as [stream]:
        answered, told = await answer_of(stream, sent)
        assert (answered, told["error_code"], set(told)) == (status, code, {"error_code", "error_message", "details"})
        assert await stream[0].read() == b"", "and the connection is closed"


async def test_who_asks_too_often_is_not_listened_to_for_a_while_however_much_is_sent_ahead(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_HOLD_S", 60.0)
    await bench.limit(RequestLimits(address=3))
    async with served(bench, tmp_path) as port, connected(port, 2) as (flooding, known):
        flooding[1].write((ASK + b"\r\n") * 50)
        statuses = [(await answer_of(flooding, b""))[0] for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert (await answer_of(known, ASK + KEY + b"\r\n"))[0] == 200
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await answer_of(flooding, b"")


async def test_a_body_that_nobody_wants_is_not_read_to_its_end(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_LINGER_S", 0.05)
    async with served(bench, tmp_path) as port, connected(port, 1) as [stream]:
        refused = await answer_of(stream, ASK.replace(b"GET", b"POST") + b"Content-Length: 900000000\r\n\r\nabc")
        assert refused[0] == 401
        assert await stream[0].read() == b""


@pytest.mark.parametrize(("length", "heard"), [(16, True), (1 << 20, False)])
async def test_the_next_request_is_heard_though_the_body_of_a_refused_one_comes_late(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, heard: bool
) -> None:
    monkeypatch.setattr(connections, "_LINGER_S", 0.2)
    async with served(bench, tmp_path) as port, connected(port, 1) as [stream]:
        refused = await answer_of(stream, ASK.replace(b"GET", b"POST") + b"Content-Length: %d\r\n\r\n" % length)
        assert refused[0] == 401
        stream[1].write(b"x" * length + ASK + KEY + b"\r\n")
        if heard:
            assert (await answer_of(stream, b""))[0] == 200
            await asyncio.sleep(0.3)
            assert (await answer_of(stream, ASK + KEY + b"\r\n"))[0] == 200
        else:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await answer_of(stream, b"")


@pytest.mark.parametrize("depth", [1, 6])
async def test_the_owner_needs_no_key_at_his_socket_however_deep_it_lies(
    bench: Bench, tmp_path: Path, depth: int
) -> None:
    home = tmp_path.joinpath(*["d" * 40] * depth)
    home.mkdir(parents=True)
    path = socket_of(running_folder(home), os.getpid())
    async with served(bench, home):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with reachable(path) as name:
            transport = httpx.AsyncHTTPTransport(uds=name)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as owner:
                assert (await owner.post("/paper/pause")).status_code == 200
        assert bench.control.paused
    assert not path.exists()
    [admitted] = await bench.events("auth_success")
    assert (admitted.actor, admitted.address) == (f"admin:uid {os.geteuid()}", "local")


async def test_another_user_at_the_owners_socket_is_not_spoken_to(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_socket, "peer_uid", lambda connection: os.geteuid() + 1)
    path = socket_of(running_folder(tmp_path), os.getpid())
    async with served(bench, tmp_path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"POST /paper/pause HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(ConnectionError):
            if not await reader.read():
                raise ConnectionError("closed")
        writer.close()
    assert not bench.control.paused


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert owner_socket.peer_uid(here) == os.geteuid()


def test_sockets_of_processes_that_are_gone_are_removed_and_one_in_use_is_not(tmp_path: Path) -> None:
    folder = running_folder(tmp_path)
    owner_socket.listen(socket_of(folder, 1)).close()
    with owner_socket.listen(socket_of(folder, 2)):
        assert [path.name for path in folder.iterdir()] == ["2.sock"]
        with pytest.raises(OwnerSocketError, match=r"cannot listen on .*2\.sock"):
            owner_socket.listen(socket_of(folder, 2))
