"""A connection that dies in a commit: what is stored is asked for, and nothing is stored twice or lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from tests.database_fixtures import END_WRITERS
from tests.storage.scripted_session import ScriptedSession, last_step, session_record
from tests.storage.wire import Wire, wired

from triplegain.domain.clock import ManualClock
from triplegain.storage.database import Database
from triplegain.storage.errors import OutcomeUnknownError
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore


@pytest.fixture
async def wire_and_url(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[Wire, str]]:
    async with wired(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def wire(wire_and_url: tuple[Wire, str]) -> Wire:
    return wire_and_url[0]


@pytest.fixture
async def store(wire_and_url: tuple[Wire, str], clock: ManualClock) -> AsyncIterator[SessionStore]:
    database = await Database.connect(wire_and_url[1])
    store = SessionStore(database, clock)
    yield store
    await store.close()
    await database.close()


@pytest.mark.parametrize("cut", ["request", "answer"])
async def test_a_step_whose_connection_dies_is_stored_once(
    store: SessionStore, reader: SessionReader, wire: Wire, database_url: str, cut: str
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    await store.commit("a", script.buy())
    wire.cut = cut
    await store.commit("a", script.buy())
    assert (await last_step(database_url), len(await reader.fills("a"))) == (3, 2)
    # The lock has come along: it goes on, and nobody else gets in.
    await store.commit("a", script.buy())
    assert (await last_step(database_url), len(await reader.fills("a"))) == (4, 3)


async def test_a_step_that_is_lost_with_the_whole_server_has_an_unknown_outcome(
    store: SessionStore, reader: SessionReader, wire: Wire, database_url: str
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    wire.cut, wire.closed = "answer", True
    with pytest.raises(OutcomeUnknownError, match="whether it is stored is not known"):
        await store.commit("a", script.buy())
    wire.closed = False
    assert (await last_step(database_url), len(await reader.fills("a"))) == (2, 1)


async def test_a_server_process_that_is_ended_costs_nothing(
    store: SessionStore, reader: SessionReader, database_url: str
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    killer = await asyncpg.connect(database_url)
    await killer.execute(END_WRITERS)
    await killer.close()
    await store.commit("a", script.buy())
    assert (await last_step(database_url), len(await reader.fills("a"))) == (2, 1)
