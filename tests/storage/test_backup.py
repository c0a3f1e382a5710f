"""The way out and the way back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.database_fixtures import MIGRATIONS
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.domain.clock import ManualClock
from triplegain.storage.backup import backup, restore
from triplegain.storage.database import Database, connected
from triplegain.storage.errors import StorageError
from triplegain.storage.migrations import migrate
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore
from triplegain.storage.stored_books import verify


async def test_a_restored_backup_is_the_same_session_and_goes_on(
    store: SessionStore,
    reader: SessionReader,
    database_url: str,
    empty_database_url: str,
    clock: ManualClock,
    tmp_path: Path,
) -> None:
    await store.create(session_record("s"))
    script = ScriptedSession("s")
    for batch in (script.opening(), script.buy(), script.rest()):
        await store.commit("s", batch)
    file = tmp_path / "copy.dump"
    await backup(database_url, file)
    await restore(empty_database_url, file)

    database = await Database.connect(empty_database_url)
    copy, copied = SessionStore(database, clock), SessionReader(database)
    assert await copied.hashes("s") == await reader.hashes("s")
    assert await copied.orders("s") == await reader.orders("s")
    found = await copy.resume("s")
    assert found is not None
    assert msgspec.json.decode(found.parts["wallet", ""]) == script.kept_wallet()
    assert len(found.parts) == 1 + 3
    await copy.commit("s", script.buy())
    await copy.close()
    await database.close()


async def test_a_backup_never_replaces_a_file_and_a_restore_never_a_database(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "copy.dump"
    await backup(database_url, file)
    with pytest.raises(StorageError, match="exists already"):
        await backup(database_url, file)
    database = await Database.connect(database_url)
    store = SessionStore(database, ManualClock(1))
    await store.create(session_record("s"))
    with pytest.raises(StorageError, match="this one has rows in paper_seals: name a new TRIPLEGAIN_HOME"):
        await restore(database_url, file)
    assert [each.session_id for each in await SessionReader(database).list_sessions()] == ["s"]
    await store.close()
    await database.close()
    with pytest.raises(StorageError, match="there is no backup"):
        await restore(database_url, tmp_path / "nothing")


async def test_a_backup_that_fails_leaves_no_file(tmp_path: Path, database_url: str) -> None:
    with pytest.raises(StorageError, match="pg_dump failed"):
        await backup(database_url.replace("/test_", "/gone_"), tmp_path / "copy.dump")
    assert list(tmp_path.iterdir()) == []


async def test_what_is_no_backup_is_refused_and_changes_nothing(database_url: str, tmp_path: Path) -> None:
    (file := tmp_path / "copy.dump").write_text("not a backup")
    with pytest.raises(StorageError, match="pg_restore failed"):
        await restore(database_url, file)
    database = await Database.connect(database_url)
    assert await SessionReader(database).list_sessions() == []
    await database.close()


@pytest.mark.parametrize("lost", [1, pytest.param(100, marks=pytest.mark.slow), 20_000])
async def test_a_backup_that_is_cut_off_is_refused_and_changes_nothing(
    database_url: str, empty_database_url: str, tmp_path: Path, lost: int
) -> None:
    whole, cut = tmp_path / "whole.dump", tmp_path / "cut.dump"
    await backup(database_url, whole)
    cut.write_bytes(whole.read_bytes()[:-lost])
    applied = await migrate(empty_database_url, MIGRATIONS)
    with pytest.raises(StorageError, match="pg_restore failed"):
        await restore(empty_database_url, cut)
    assert applied and await migrate(empty_database_url, MIGRATIONS) == []


async def test_a_copy_of_another_database_is_refused_and_changes_nothing(
    database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    async with connected(empty_database_url, "making a table") as connection:
        await connection.execute("CREATE TABLE customers AS SELECT 1 AS number")
    await backup(empty_database_url, file := tmp_path / "foreign.dump")
    with pytest.raises(StorageError, match="copy of another database"):
        await restore(database_url, file)
    database = await Database.connect(database_url)
    assert await SessionReader(database).list_sessions() == []
    await database.close()


async def test_a_home_in_which_nothing_has_happened_yet_takes_a_backup(
    store: SessionStore, database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    await store.create(session_record("s"))
    file = tmp_path / "copy.dump"
    await backup(database_url, file)
    assert file.stat().st_mode & 0o777 == 0o600
    await migrate(empty_database_url, MIGRATIONS)
    await restore(empty_database_url, file)
    database = await Database.connect(empty_database_url)
    assert [each.session_id for each in await SessionReader(database).list_sessions()] == ["s"]
    assert await verify(database, lambda what, done, of: None) == []
    await database.close()


async def test_a_password_is_no_word_of_a_command(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.create_subprocess_exec
    commands: list[str] = []

    async def seen(*words: str, **how: Any) -> asyncio.subprocess.Process:
        commands.append(" ".join(words))
        commands.append(how["env"]["PGPASSWORD"])
        return await began(*words, **how)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", seen)
    user, _, place = database_url.partition("://")[2].partition("@")
    urls = f"postgresql://{user}:se%40cret@{place}", f"{database_url}&password=se%40cret"
    for number, url in enumerate(urls):
        await backup(url, tmp_path / f"{number}.dump")
    assert commands[1::2] == ["se@cret"] * 2
    assert not any("cret" in words for words in commands[::2])
