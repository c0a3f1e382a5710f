"""The schema from empty, a second time, with a changed file, and against the code's own lists."""

from __future__ import annotations

import shutil
from enum import Enum
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace
from tests.database_fixtures import MIGRATIONS
from tests.storage.mind_steps import vote
from tests.storage.scripted_session import START_NS, ScriptedSession

from triplegain.domain.clock import ManualClock
from triplegain.domain.ids import Origin
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount
from triplegain.domain.orders import OrderStatus, SelfTradePrevention, Side, TimeInForce
from triplegain.domain.records import CloseReason, SessionStatus
from triplegain.domain.storable import encode
from triplegain.storage.database import Database
from triplegain.storage.encoding import batch_row
from triplegain.storage.errors import MigrationError
from triplegain.storage.migrations import migrate, read_migrations, read_server_status
from triplegain.storage.session_lock import lock_session
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore


async def test_every_migration_applies_from_empty_and_only_once(empty_database_url: str) -> None:
    names = [path.name for path in sorted(MIGRATIONS.glob("*.sql"))]
    before = await read_server_status(empty_database_url)
    assert (before.applied, list(before.pending)) == ((), names)
    assert await migrate(empty_database_url, MIGRATIONS) == names
    assert await migrate(empty_database_url, MIGRATIONS) == []
    after = await read_server_status(empty_database_url)
    assert (list(after.applied), after.pending, after.timescale) == (names, (), False)


async def test_no_schema_is_changed_under_a_session_that_is_being_written(
    empty_database_url: str, tmp_path: Path
) -> None:
    earlier = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, earlier)
    newest = sorted(earlier.glob("[0-9]*.sql"))[-1]
    newest.unlink()
    await migrate(empty_database_url, earlier)
    connection = await asyncpg.connect(empty_database_url, server_settings={"application_name": "process 7"})
    await connection.execute("INSERT INTO paper_sessions VALUES ('a', 'paused', 'demo', 7, '{}', '{}', now(), NULL)")
    await lock_session(connection, "a")
    with pytest.raises(MigrationError, match=r"session a is run by process 7 of an earlier version.*stop it first"):
        await migrate(empty_database_url, MIGRATIONS)
    assert list((await read_server_status(empty_database_url)).pending) == [newest.name]
    # What is up to date is nobody's business.
    assert await migrate(empty_database_url, earlier) == []
    await connection.close()
    assert await migrate(empty_database_url, MIGRATIONS) == [newest.name]


async def test_a_session_of_an_earlier_version_goes_on_after_the_upgrade(
    empty_database_url: str, tmp_path: Path
) -> None:
    """Its database knows nothing of the mind: an upgraded one stores a decision after it, and a first vote."""
    earlier = tmp_path / "migrations"
    earlier.mkdir()
    for path in MIGRATIONS.glob("00[1-7]_*.sql"):
        shutil.copy(path, earlier)
    await migrate(empty_database_url, earlier)
    script = ScriptedSession("a")
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(
        "INSERT INTO paper_sessions VALUES ('a', 'active', 'demo', 7, '{}', '{}', now(), NULL);"
        "INSERT INTO paper_session_state (session_id, recorded_at) VALUES ('a', now())"
    )
    for batch in (script.opening(), script.buy()):
        row = batch_row(batch, step=1)
        row["entries"] = [each | {"transaction": each["ledger_transaction"]} for each in row["entries"]]
        await connection.execute("SELECT paper_commit('a', $1::text::jsonb, '{}')", encode(row).decode())
    await connection.close()

    await migrate(empty_database_url, MIGRATIONS)
    database = await Database.connect(empty_database_url)
    store = SessionStore(database, ManualClock(START_NS))
    found = await store.resume("a")
    assert found is not None
    assert (found.form, found.parts, found.feed_position) == (0, {}, 2)
    await store.commit("a", replace(script.buy(), votes=(vote(1, decision=2),)))
    assert len(await SessionReader(database).votes("a")) == 1
    await store.close()
    await database.close()


async def test_a_file_changed_after_it_was_applied_is_refused(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    with (folder / "001_foundation.sql").open("a") as file:
        file.write("-- a word more\n")
    with pytest.raises(MigrationError, match=r"001_foundation\.sql was changed after"):
        await migrate(database_url, folder)


async def test_a_migration_that_fails_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    (folder / "900_broken.sql").write_text("CREATE TABLE half (a int);\nSELECT 1 / 0;\n")
    with pytest.raises(MigrationError, match=r"900_broken.sql failed and changed nothing"):
        await migrate(database_url, folder)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    await connection.close()


async def test_a_database_of_a_newer_version_is_refused(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    (folder / "006_paper_commit.sql").unlink()
    with pytest.raises(MigrationError, match="newer version"):
        await migrate(database_url, folder)


def test_two_files_with_one_number_are_refused(tmp_path: Path) -> None:
    for name in ("001_a.sql", "001_b.sql"):
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="same number"):
        read_migrations(tmp_path, timescale=False)
    with pytest.raises(MigrationError, match="no migrations"):
        read_migrations(tmp_path / "nowhere", timescale=False)


def test_the_timescale_files_come_last_and_only_where_usable() -> None:
    plain = [each.name for each in read_migrations(MIGRATIONS, timescale=False)]
    full = [each.name for each in read_migrations(MIGRATIONS, timescale=True)]
    assert full[: len(plain)] == plain
    assert full[len(plain) :] == [
        "timescale/001_extension.sql",
        "timescale/005_paper_trading.sql",
        "timescale/007_market_history.sql",
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("order_status", OrderStatus),
        ("time_in_force", TimeInForce),
        ("self_trade_prevention", SelfTradePrevention),
        ("session_status", SessionStatus),
        ("ledger_account", LedgerAccount),
        ("entry_kind", EntryKind),
        ("close_reason", CloseReason),
        ("order_origin", Origin),
        ("order_side", None),
    ],
)
async def test_the_schema_knows_the_words_of_the_code(database_url: str, name: str, words: type[Enum] | None) -> None:
    connection = await asyncpg.connect(database_url)
    stored = await connection.fetchval(f"SELECT enum_range(NULL::{name})::text[]")
    final = await connection.fetchval(
        "SELECT array_agg(s) FROM unnest(enum_range(NULL::order_status)) s WHERE is_final(s)"
    )
    await connection.close()
    assert stored == ([side.value for side in Side] if words is None else [word.value for word in words])
    assert final == [status.value for status in OrderStatus if status.is_final]


async def test_the_key_of_each_snapshot_table_contains_the_time_of_recording(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    keys = await connection.fetch(
        "SELECT conrelid::regclass::text AS name, pg_get_constraintdef(oid) AS key FROM pg_constraint "
        "WHERE contype IN ('p', 'u') AND conrelid::regclass::text LIKE '%snapshots'"
    )
    await connection.close()
    assert len(keys) == 2
    assert all("recorded_at" in row["key"] for row in keys)


async def test_an_amount_is_finite(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    for word in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.fetchval(f"SELECT '{word}'::amount")
    await connection.close()
