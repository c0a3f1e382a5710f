"""Backups by timetable: when one is due, how many are kept, and what a failure says."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

import pytest

from triplegain.app.backups import BackupTimetable, backing_up, kept_backups
from triplegain.domain.clock import Clock, ManualClock, SystemClock
from triplegain.storage.errors import StorageError

HOUR_NS = 3_600 * 10**9
#: 2026-01-01.
START_NS = 1_767_225_600 * 10**9


def timetable(url: str, folder: Path, clock: Clock, keep: int = 2) -> BackupTimetable:
    return BackupTimetable(lambda: url, folder, 24 * HOUR_NS, keep, START_NS, clock)


async def taken(backups: BackupTimetable, clock: ManualClock) -> Path:
    """The backup of now, with this time on its file."""
    path = await backups.take()
    assert path is not None
    os.utime(path, ns=(clock.now_ns(), clock.now_ns()))
    return path


async def test_one_is_due_a_day_after_the_last_and_the_newest_are_kept(database_url: str, tmp_path: Path) -> None:
    clock = ManualClock(START_NS)
    backups = timetable(database_url, folder := tmp_path / "backups", clock)
    assert backups.due_ns() == START_NS + 24 * HOUR_NS
    made = []
    for day in (1, 2, 3):
        clock.advance_to(START_NS + day * 24 * HOUR_NS)
        made.append(await taken(backups, clock))
        assert await backups.take() is None
    assert [each.name for each in made] == [f"triplegain-2026010{day}-000000.dump" for day in (2, 3, 4)]
    assert kept_backups(folder) == made[1:]
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_what_a_killed_backup_left_goes_and_another_process_at_it_is_let_be(
    database_url: str, tmp_path: Path
) -> None:
    clock = ManualClock(START_NS + 25 * HOUR_NS)
    backups = timetable(database_url, tmp_path, clock)
    (left := tmp_path / "triplegain-20260101-120000.dump.partial").write_text("half")
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert await backups.take() is None and left.exists()
    assert await backups.take() is not None
    assert not left.exists()


async def test_a_failure_keeps_what_is_there_and_is_told_while_the_session_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    clock = ManualClock(START_NS + 24 * HOUR_NS)
    await taken(timetable(database_url, tmp_path, clock), clock)
    clock.advance_to(START_NS + 50 * HOUR_NS)
    backups = timetable(database_url.replace("/test_", "/gone_"), tmp_path, clock, keep=1)
    with pytest.raises(StorageError, match="pg_dump failed"):
        await backups.take()
    assert len(kept_backups(tmp_path)) == 1
    told: asyncio.Queue[str] = asyncio.Queue()
    async with backing_up(backups, told.put_nowait):
        words = await asyncio.wait_for(told.get(), 30)
    assert words.startswith("the backup that was due could not be made") and "pg_dump failed" in words


async def test_a_copy_from_a_clock_that_was_ahead_does_not_put_off_the_next(database_url: str, tmp_path: Path) -> None:
    clock = ManualClock(START_NS + 24 * HOUR_NS)
    backups = timetable(database_url, tmp_path, clock)
    first = await taken(backups, clock)
    ahead = tmp_path / "triplegain-20360101-000000.dump"
    ahead.write_bytes(first.read_bytes())
    os.utime(ahead, ns=(START_NS + 87_600 * HOUR_NS,) * 2)
    assert backups.due_ns() == START_NS + 48 * HOUR_NS


async def test_a_link_that_leads_nowhere_is_told_and_does_not_stop_the_timetable(
    database_url: str, tmp_path: Path
) -> None:
    stray = tmp_path / "triplegain-20260101-000000.dump"
    stray.symlink_to(tmp_path / "gone")
    backups = timetable(database_url, tmp_path, SystemClock(), keep=1)
    told: asyncio.Queue[str] = asyncio.Queue()
    async with backing_up(backups, told.put_nowait):
        words = await asyncio.wait_for(told.get(), 30)
        while not kept_backups(tmp_path):
            await asyncio.sleep(0.05)
    assert words.startswith(f"{stray} is no backup") and told.empty()
    assert stray.is_symlink()


async def test_a_folder_that_cannot_be_looked_at_is_told_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: asyncio.Queue[Path] = asyncio.Queue()

    def refused(folder: Path) -> list[Path]:
        looked.put_nowait(folder)
        raise PermissionError(folder)

    monkeypatch.setattr("triplegain.app.backups.kept_backups", refused)
    monkeypatch.setattr("triplegain.app.backups._AGAIN_S", 0.01)
    told: asyncio.Queue[str] = asyncio.Queue()
    async with backing_up(timetable(database_url, tmp_path, ManualClock(START_NS)), told.put_nowait):
        for _ in range(3):
            await asyncio.wait_for(looked.get(), 30)
    assert "cannot be looked at" in told.get_nowait() and told.empty()
