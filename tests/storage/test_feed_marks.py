"""How the market stood is stored with the step that it speaks of, or not at all."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.domain.clock import ManualClock
from triplegain.domain.mark_change import MarkChange
from triplegain.domain.records import SessionStatus
from triplegain.storage.database import Database
from triplegain.storage.errors import CommitRefusedError
from triplegain.storage.session_store import SessionStore

SESSION = "paper_20231114_221320"


async def marks(database: Database) -> dict[str, bytes]:
    return {row["key"]: row["state"] for row in await database.rows("", "SELECT key, state FROM paper_feed_marks")}


async def test_a_mark_comes_with_its_step_and_replaces_the_one_before(
    store: SessionStore, database: Database, clock: ManualClock
) -> None:
    script = ScriptedSession((await store.create(session_record())).session_id)
    first = MarkChange({"": b"one", "a": b"a", "b": b"b"}, (), True)
    await store.commit(SESSION, replace(script.opening(), mark=first))
    assert await marks(database) == {"": b"one", "a": b"a", "b": b"b"}
    bought = script.buy()
    with pytest.raises(CommitRefusedError):
        await store.commit(SESSION, replace(bought, entries=(), mark=MarkChange({"": b"wrong"}, ("a", "b"), False)))
    assert await marks(database) == {"": b"one", "a": b"a", "b": b"b"}
    await store.commit(SESSION, replace(bought, mark=MarkChange({"": b"two", "c": b"c"}, ("a",), False)))
    two = {"": b"two", "b": b"b", "c": b"c"}
    assert await marks(database) == two
    await store.close()
    again = SessionStore(database, clock)
    assert (await again.resume(SESSION)).mark == two
    await again.close()


async def test_the_first_mark_of_a_run_is_all_there_is_and_an_ended_session_has_none(
    store: SessionStore, database: Database
) -> None:
    script = ScriptedSession((await store.create(session_record())).session_id)
    await store.commit(SESSION, replace(script.opening(), mark=MarkChange({"": b"one", "a": b"a"}, (), True)))
    await store.commit(SESSION, replace(script.buy(), mark=MarkChange({"": b"two", "b": b"b"}, (), True)))
    assert await marks(database) == {"": b"two", "b": b"b"}
    await store.set_status(SESSION, SessionStatus.PAUSED)
    assert await marks(database)
    await store.set_status(SESSION, SessionStatus.ENDED)
    assert await marks(database) == {}
