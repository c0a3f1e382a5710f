"""Backups by timetable, beside a running session: of everything in its database, the newest ones kept."""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from triplegain.app.beside import beside, repeated
from triplegain.config.infrastructure import DatabaseSettings
from triplegain.domain.clock import SECOND_NS, Clock, to_datetime
from triplegain.storage.backup import backup
from triplegain.storage.errors import StorageError

_PATTERN = "triplegain-*.dump"
#: After one that failed, and where another process of this home is at it.
_AGAIN_S = 3600.0


def backup_folder(settings: DatabaseSettings, home: Path) -> Path:
    return Path(settings.backup_folder).expanduser() if settings.backup_folder else home / "backups"


def kept_backups(folder: Path) -> list[Path]:
    """Those by timetable, oldest first; their names are their times."""
    return sorted(each for each in folder.glob(_PATTERN) if each.is_file())


def strays(folder: Path) -> set[Path]:
    """What has the name of a backup and is none: a link that leads nowhere, a folder."""
    return {each for each in folder.glob(_PATTERN) if not each.is_file()}


@dataclass(frozen=True, slots=True)
class BackupTimetable:
    """One backup each `every_ns` of wall time, the newest `keep` of them in `folder`, which other processes share.

    `since_ns` is from when on there is something to lose, where there is no backup yet.
    """

    url: Callable[[], str]
    folder: Path
    every_ns: int
    keep: int
    since_ns: int
    clock: Clock

    def due_ns(self) -> int:
        """Raises StorageError. What a clock that was wrong has dated ahead does not put off the next one."""
        now_ns = self.clock.now_ns()
        try:
            taken = [each.stat().st_mtime_ns for each in kept_backups(self.folder)]
        except OSError as error:
            raise StorageError(f"the backups in {self.folder} cannot be looked at: {error}") from error
        return max((each for each in taken if each <= now_ns), default=self.since_ns) + self.every_ns

    async def take(self) -> Path | None:
        """The backup that is due, and those that are too many gone; None where another process is at it.

        Raises StorageError, and has left the earlier ones then.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone(self.folder) as alone:
                if not alone or self.due_ns() > self.clock.now_ns():
                    return None
                for left in self.folder.glob(f"{_PATTERN}.partial"):
                    left.unlink(missing_ok=True)
                path = self.folder / f"triplegain-{to_datetime(self.clock.now_ns()):%Y%m%d-%H%M%S}.dump"
                await backup(self.url(), path)
                for surplus in kept_backups(self.folder)[: -self.keep]:
                    surplus.unlink(missing_ok=True)
                return path
        except OSError as error:
            raise StorageError(f"the backup in {self.folder} could not be written: {error}") from error

    async def follow(self, failed: Callable[[str], None]) -> None:
        """Until cancelled. `failed` is told once of several failures in a row, and once of each stray."""
        told_of: set[Path] = set()

        async def attempt() -> float:
            wait_s = (self.due_ns() - self.clock.now_ns()) / SECOND_NS
            for stray in sorted(strays(self.folder) - told_of):
                failed(f"{stray} is no backup: a link that leads nowhere, or no file; it is not counted as one")
                told_of.add(stray)
            if wait_s > 0:
                return min(wait_s, _AGAIN_S)
            return _AGAIN_S if await self.take() is None else 0.0

        await repeated(
            attempt,
            _AGAIN_S,
            lambda why: failed(f"the backup that was due could not be made, and is tried again each hour: {why}"),
        )


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process backs up into the folder, which none does meanwhile."""
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@asynccontextmanager
async def backing_up(timetable: BackupTimetable, failed: Callable[[str], None]) -> AsyncIterator[None]:
    """Backups while the session runs; one that is under way at its end is given up."""
    if not timetable.every_ns:
        yield
        return
    async with beside(lambda: timetable.follow(failed), "backups"):
        yield
