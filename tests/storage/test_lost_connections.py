"""A connection that dies in a commit: what is stored is asked for, and nothing is stored twice or lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import pytest
from tests.database_fixtures import END_WRITERS
from tests.storage.scripted_session import ScriptedSession, last_step, session_record
from tests.storage.wire import Wire, wired

from triplegain.domain.clock import ManualClock
from triplegain.domain.records import SecurityEvent, SessionStatus
from triplegain.storage.database import Database
from triplegain.storage.errors import DatabaseAwayError, OutcomeUnknownError, SessionLockedError, SessionTakenError
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


@pytest.mark.parametrize("cut", ["request", "answer"])
async def test_the_same_step_may_be_given_again_until_the_server_is_back(
    store: SessionStore, reader: SessionReader, wire: Wire, database_url: str, cut: str
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    wire.cut, wire.closed = cut, True
    step = script.buy()
    for _ in range(3):
        with pytest.raises(OutcomeUnknownError):
            await store.commit("a", step)
    wire.closed = False
    await store.commit("a", step)
    assert (await last_step(database_url), len(await reader.fills("a"))) == (2, 1)
    await store.commit("a", script.buy())
    assert (await last_step(database_url), len(await reader.fills("a"))) == (3, 2)


async def _lost(store: SessionStore, wire: Wire) -> None:
    """The connection of the session `a` is broken, and everybody knows."""
    wire.cut, wire.closed = "request", True
    with pytest.raises(DatabaseAwayError):
        await store.stored("a")
    wire.closed = False
    assert store.is_lost("a")


async def test_a_step_that_was_surely_not_sent_is_not_in_doubt(
    store: SessionStore, wire: Wire, database_url: str
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    await _lost(store, wire)
    wire.closed = True
    step = script.buy()
    with pytest.raises(DatabaseAwayError) as failed:
        await store.commit("a", step)
    assert failed.value.code == "database_away" and failed.value.exit_code == 5
    wire.closed = False
    await store.commit("a", step)
    assert not store.is_lost("a") and await last_step(database_url) == 2


async def test_what_is_read_and_set_of_a_session_takes_a_new_connection_with_its_lock(
    store: SessionStore, wire: Wire, database_url: str, clock: ManualClock
) -> None:
    await store.create(session_record("a"))
    await store.commit("a", ScriptedSession("a").opening())
    await _lost(store, wire)
    assert (await store.stored("a")).feed_position
    await _lost(store, wire)
    assert (await store.set_status("a", SessionStatus.PAUSED)).status is SessionStatus.PAUSED
    other = await Database.connect(database_url)
    with pytest.raises(SessionLockedError):
        await SessionStore(other, clock).resume("a")
    await other.close()


@pytest.mark.parametrize("was_sent", [False, True])
async def test_a_session_that_another_process_has_written_meanwhile_is_not_written(
    store: SessionStore, wire: Wire, database_url: str, clock: ManualClock, was_sent: bool
) -> None:
    """Even where it stands just where ours would stand with the step in doubt."""
    await store.create(session_record("a"))
    script, others = ScriptedSession("a"), ScriptedSession("a")
    await store.commit("a", script.opening())
    others.opening()
    step = script.buy()
    wire.cut, wire.closed = "request", True
    with pytest.raises(DatabaseAwayError):
        await (store.commit("a", step) if was_sent else store.stored("a"))
    database = await Database.connect(database_url)
    other = SessionStore(database, clock)
    await other.resume("a")
    wire.closed = False
    with pytest.raises(SessionLockedError):
        await store.commit("a", step)
    await other.commit("a", msgspec.structs.replace(others.buy(), recorded_at_ns=step.recorded_at_ns + 10**9))
    await other.close()
    with pytest.raises(SessionTakenError, match="another process has written it"):
        await store.commit("a", step)
    assert await last_step(database_url) == 2
    await database.close()


@pytest.mark.parametrize("cut", ["request", "answer"])
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
async def test_a_reset_that_is_lost_on_its_way_is_asked_for_again_and_done_once(
    store: SessionStore, reader: SessionReader, wire: Wire, cut: str, every: int
) -> None:
    lost, tried = 0, range(0, 14, every)
    audit = SecurityEvent("session_reset", "admin:uid 1", "local", "r", 10**18)
    for after in tried:
        first, second = session_record(f"a{after}"), session_record(f"b{after}")
        # The second name is taken by then, as where two sessions begin within a second.
        taken = msgspec.structs.replace(second, created_at_ns=second.created_at_ns - 10**6)
        await store.create(taken)
        await store.create(first)
        await store.commit(first.session_id, ScriptedSession(first.session_id).opening())
        wire.cut, wire.after, wire.closes = cut, after, True
        try:
            created = await store.reset(first.session_id, second, audit=audit)
        except DatabaseAwayError:
            lost += 1
            wire.closed = False
            known = {each.session_id: each.status for each in await reader.list_sessions()}
            # Both or none.
            assert (known[first.session_id] is SessionStatus.ENDED) == (f"{second.session_id}_2" in known)
            created = await store.reset(first.session_id, second, audit=audit)
        wire.cut, wire.closed = "", False
        assert created.session_id == f"{second.session_id}_2"
        await store.commit(created.session_id, ScriptedSession(created.session_id).opening())
    known = {each.session_id: each.status for each in await reader.list_sessions()}
    assert len(known) == 3 * len(tried) and lost > len(tried) // 3
    assert all((status is SessionStatus.ENDED) == (name[0] == "a") for name, status in known.items())


async def test_a_server_process_that_is_ended_costs_nothing(
    store: SessionStore, reader: SessionReader, database_url: str
) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    await store.commit("a", script.opening())
    assert not store.is_lost("a")
    killer = await asyncpg.connect(database_url)
    await killer.execute(END_WRITERS)
    await killer.close()
    # Nobody has to ask for it to be known.
    async with asyncio.timeout(10):
        while not store.is_lost("a"):
            await asyncio.sleep(0.01)
    await store.commit("a", script.buy())
    assert (await last_step(database_url), len(await reader.fills("a"))) == (2, 1)
