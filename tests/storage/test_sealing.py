"""Old steps become one seal, under which every edit still shows; analyses go when that is wanted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.database_fixtures import MIGRATIONS
from tests.storage.edited_rows import changed, untold_edits
from tests.storage.scripted_session import START_NS
from tests.storage.test_step_chain import CHAINED, found, lived

from triplegain.domain.clock import ManualClock
from triplegain.domain.records import SecurityEvent
from triplegain.storage import sealing
from triplegain.storage.database import Database
from triplegain.storage.migrations import migrate
from triplegain.storage.sealing import Sealing
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_store import SessionStore
from triplegain.storage.stored_books import verify

ACT = """
INSERT INTO security_events (recorded_at, kind, actor, address, request_id) VALUES (now(), '{}', 'key:admin', '', '')
"""


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start looks at the last step only."""
    monkeypatch.setattr(sealing, "STEPS_AT_START", 1)


def after_step(step: int) -> int:
    """Wall time when the script has stored that step and not the next one."""
    return START_NS + step * 1000 + 1000


async def steps(database: Database) -> list[int]:
    return [row["step"] for row in await database.rows("", "SELECT step FROM paper_steps ORDER BY step")]


async def differences(database: Database) -> list[str]:
    return await verify(database, lambda what, done, of: None)


async def test_old_steps_are_sealed_a_few_at_a_time_and_the_session_goes_on(
    store: SessionStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "_AT_ONCE", 1)
    await lived(store)
    assert await Sealing(database).seal(after_step(2)) == (2, [])
    assert await steps(database) == [3, 4, 5]
    assert await differences(database) == []
    # all but what a start looks at
    assert await Sealing(database).seal(after_step(100)) == (2, [])
    assert await steps(database) == [5]
    assert await differences(database) == []
    await store.release("s")
    await store.resume("s")
    [seal] = await database.rows("", "SELECT step, base, rows FROM paper_seals")
    assert (seal["step"], seal["base"], seal["rows"]["fills"][0], seal["rows"]["outcomes"][0]) == (4, 0, 2, 4)


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
async def test_an_edit_under_a_seal_is_told(store: SessionStore, database: Database, every: int) -> None:
    await lived(store)
    await Sealing(database).seal(after_step(4))
    untold: list[str] = []
    async with changed(database) as connection:
        assert await found(connection) == []
        for row in await connection.fetch(CHAINED):
            _, missed = await untold_edits(connection, row["stored"], "step = 2", (), found, every)
            untold += missed
        untold += (await untold_edits(connection, "paper_seals", "true", ("sealed_at", "base"), found))[1]
    assert untold == []


async def test_a_damaged_session_is_not_sealed(store: SessionStore, database: Database) -> None:
    await lived(store)
    await database.rows("", "UPDATE paper_decisions SET reasons = '{x}' WHERE number = 1")
    assert await Sealing(database).seal(after_step(4)) == (0, ["s"])
    assert await steps(database) == [0, 1, 2, 3, 4, 5]
    [told] = await differences(database)
    assert told.startswith("s: step 2 left ")


async def test_analyses_go_once_they_are_sealed_and_old(store: SessionStore, database: Database) -> None:
    await lived(store)
    assert await Sealing(database).forget_analyses(after_step(100)) == 0
    await Sealing(database).seal(after_step(3))
    assert await Sealing(database).forget_analyses(after_step(1)) == 0
    # What is damaged is no more touched: it is to be looked at.
    assert await Sealing(database).forget_analyses(after_step(2), ["s"]) == 0
    assert await Sealing(database).forget_analyses(after_step(2)) == 1
    assert [row["number"] for row in await database.rows("", "SELECT number FROM paper_analyses")] == [2]
    assert await differences(database) == []
    await Sealing(database).seal(after_step(4))
    assert await differences(database) == []
    for edit in (
        "UPDATE paper_analyses SET reason = 'other'",
        "DELETE FROM paper_analyses",
        "UPDATE paper_seals SET removed = '{}'",
    ):
        async with changed(database, edit) as connection:
            [told] = await found(connection)
            assert told.startswith("paper_analyses: 2 rows up to step 4 were sealed at "), edit
    assert await Sealing(database).forget_analyses(after_step(100)) == 1
    assert await differences(database) == []


async def test_without_a_seal_nothing_is_forgotten(store: SessionStore, database: Database) -> None:
    await lived(store)
    await Sealing(database).seal(after_step(3))
    await database.rows("", "DELETE FROM paper_seals")
    assert await Sealing(database).forget_analyses(after_step(100)) == 0


async def test_what_was_repaired_on_purpose_is_sealed_anew(store: SessionStore, database: Database) -> None:
    await lived(store)
    await Sealing(database).seal(after_step(3))
    await Sealing(database).forget_analyses(after_step(100))
    await database.rows("", "UPDATE paper_decisions SET reasons = '{x}' WHERE number = 1")
    assert len(await differences(database)) == 1
    await database.rows("", "SELECT paper_seal('s')")
    assert await differences(database) == []
    [seal] = await database.rows("", "SELECT * FROM paper_seals")
    assert (seal["step"], seal["base"], seal["removed"]) == (5, 5, {})


async def test_a_database_of_an_earlier_version_is_verified_goes_on_and_is_sealed(
    empty_database_url: str, tmp_path: Path, clock: ManualClock
) -> None:
    """What it holds, acts of no step among it, is held as it was; its steps are old."""
    earlier = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, earlier)
    for name in ("021_links.sql", "022_sealing.sql"):
        (earlier / name).unlink()
    await migrate(empty_database_url, earlier)
    database = await Database.connect(empty_database_url)
    store = SessionStore(database, clock)
    script = await lived(store)
    await database.rows("", ACT.format("auth_success"))
    await database.rows("", ACT.format("auth_failure"))
    await store.release("s")
    assert await migrate(empty_database_url, MIGRATIONS) == ["021_links.sql", "022_sealing.sql"]
    assert await differences(database) == []
    await store.resume("s")
    await store.commit("s", script.buy())
    event = SecurityEvent("auth_success", "key:admin", "127.0.0.1", "r", START_NS)
    await SecurityLog(database, clock).record_security_events([event])
    assert await Sealing(database).seal(START_NS) == (5, [])
    assert await differences(database) == []
    for edit in (
        "UPDATE security_events SET actor = 'nobody' WHERE kind = 'auth_success' AND link IS NULL",
        "UPDATE security_events SET actor = 'nobody' WHERE link = 1",
    ):
        await database.rows("", edit)
    assert [each.split(":")[0] for each in await differences(database)] == ["security_events"] * 2
    await store.close()
    await database.close()


async def test_steps_that_do_not_say_when_they_were_recorded_are_old(store: SessionStore, database: Database) -> None:
    await lived(store)
    await database.rows("", "UPDATE paper_steps SET recorded_at = NULL WHERE step < 4")
    done: Any = await Sealing(database).seal(START_NS - 10**9)
    assert done == (3, [])
