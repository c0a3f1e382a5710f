"""A connection that dies in a commit: what is stored is asked for, and nothing is stored twice or lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.domain.clock import ManualClock
from triplegain.storage.database import Database
from triplegain.storage.errors import OutcomeUnknownError, StorageError
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

_SOCKET = ".s.PGSQL.5432"


class Wire:
    """Between us and the server. `cut` is what happens to the next thing we say: it goes on as always, is lost on its
    way, or is heard and its answer lost; `closed` lets nobody in any more."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self.cut = ""
        self.closed = False

    async def serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        if self.closed:
            answers.close()
            return
        heard, server = await asyncio.open_unix_connection(self._server)
        told = asyncio.create_task(self._answer(heard, answers))
        while said := await client.read(2**16):
            cut, self.cut = self.cut, ""
            if cut == "request":
                break
            if cut == "answer":
                told.cancel()
                await asyncio.wait([told])
                server.write(said)
                await heard.read(2**16)
                break
            server.write(said)
        told.cancel()
        with suppress(OSError):
            server.close()
            answers.close()

    async def _answer(self, heard: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        while said := await heard.read(2**16):
            answers.write(said)
        answers.close()


@pytest.fixture
async def wire(database_url: str, tmp_path: Path) -> AsyncIterator[Wire]:
    [folder] = parse_qs(urlsplit(database_url).query)["host"]
    wire = Wire(Path(folder) / _SOCKET)
    server = await asyncio.start_unix_server(wire.serve, tmp_path / _SOCKET)
    yield wire
    server.close()


@pytest.fixture
async def store(wire: Wire, database_url: str, tmp_path: Path, clock: ManualClock) -> AsyncIterator[SessionStore]:
    [folder] = parse_qs(urlsplit(database_url).query)["host"]
    database = await Database.connect(database_url.replace(folder, str(tmp_path)))
    store = SessionStore(database, clock)
    yield store
    await store.close()
    await database.close()


@pytest.mark.parametrize("cut", ["request", "answer"])
async def test_a_step_whose_connection_dies_is_stored_once(
    store: SessionStore, reader: SessionReader, wire: Wire, cut: str
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    await store.commit("a", script.buy())
    wire.cut = cut
    await store.commit("a", script.buy())
    assert (await store.last_step("a"), len(await reader.fills("a"))) == (3, 2)
    # The lock has come along: it goes on, and nobody else gets in.
    await store.commit("a", script.buy())
    assert (await store.last_step("a"), len(await reader.fills("a"))) == (4, 3)


async def test_a_step_that_is_lost_with_the_whole_server_has_an_unknown_outcome(
    store: SessionStore, reader: SessionReader, wire: Wire
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    wire.cut, wire.closed = "answer", True
    with pytest.raises(OutcomeUnknownError, match="whether it is stored is not known"):
        await store.commit("a", script.buy())
    with pytest.raises(StorageError):
        await store.last_step("a")
    wire.closed = False
    assert (await store.last_step("a"), len(await reader.fills("a"))) == (2, 1)


async def test_a_server_process_that_is_ended_costs_nothing(
    store: SessionStore, reader: SessionReader, database_url: str
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    killer = await asyncpg.connect(database_url)
    await killer.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    await killer.close()
    await store.commit("a", script.buy())
    assert (await store.last_step("a"), len(await reader.fills("a"))) == (2, 1)
