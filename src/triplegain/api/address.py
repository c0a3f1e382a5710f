"""Where a running session answers: one small file each in `TRIPLEGAIN_HOME/running`, held by a lock of its process.

A file that nobody holds is stale, whatever stands in it: the kernel takes the lock away from whoever dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from triplegain.domain import ids
from triplegain.domain.errors import TripleGainError

_FOLDER = "running"
#: Of HTTP: which session a request is meant for, where its path names none.
SESSION_HEADER = "X-Session"


class NotRunningError(TripleGainError):
    """No running system to speak to, or more than one."""

    exit_code = 8


class RunningFolderError(TripleGainError):
    """The folder of those that run cannot be trusted."""

    exit_code = 8


@dataclass(frozen=True, slots=True)
class RunningSession:
    """A process that runs a session; `started_at_ns` is wall time. `host` and `port` are for those with a key."""

    session: str
    pid: int
    host: str
    port: int
    feed: str
    started_at_ns: int


@dataclass(slots=True)
class Published:
    """A file that is held. The lock ends with `withdraw`, or with the process."""

    path: Path
    _descriptor: int

    def withdraw(self) -> None:
        """The session does not answer any more."""
        if self._descriptor >= 0:
            # Where the home is gone there is nothing to take back.
            with contextlib.suppress(FileNotFoundError), locked(self.path.parent):
                _remove(self.path, self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def running_folder(home: Path) -> Path:
    """Made with mode 0700 if absent. Raises RunningFolderError for one that somebody else has made or may write."""
    folder = home / _FOLDER
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise RunningFolderError(f"{folder} is no folder: remove it")
    if found.st_uid not in (os.geteuid(), home.stat().st_uid):
        raise RunningFolderError(f"{folder} belongs to another user: remove it")
    if found.st_mode & 0o077:
        raise RunningFolderError(f"others may reach into {folder}: chmod 700 '{folder}'")
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else adds to the folder or removes from it meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def publish(home: Path, running: RunningSession) -> Published:
    """Tell the commands of this user where to find the session. Atomic, mode 0600, held before it can be seen."""
    folder = running_folder(home)
    path = folder / f"{running.session}.json"
    aside = path.with_suffix(f".{ids.request_id()}")
    descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, json.dumps(asdict(running)).encode())
    with locked(folder):
        aside.replace(path)
    return Published(path, descriptor)


def running_sessions(home: Path) -> list[RunningSession]:
    """Those whose process holds its file, by name; what a killed process left behind is removed."""
    if not (home / _FOLDER).is_dir():
        return []
    return sorted(_held(running_folder(home)), key=lambda running: running.session)


def find_running(home: Path, session: str | None = None, *, all_of_process: bool = False) -> RunningSession:
    """The one that runs, or the one of this name; with `all_of_process` any, if one process runs them all. Raises
    NotRunningError."""
    found = running_sessions(home)
    names = ", ".join(running.session for running in found)
    if session is not None:
        for running in found:
            if running.session == session:
                return running
        raise NotRunningError(
            f"session {session} is not running; "
            + (f"running: {names}" if found else f"start it with `./tg paper --session {session}`")
        )
    if not found:
        raise NotRunningError("no session is running: start one with `./tg paper`")
    if len(found) > 1 and not (all_of_process and len({running.pid for running in found}) == 1):
        raise NotRunningError(f"several sessions are running: name one with --session ({names})")
    return found[0]


def _held(folder: Path) -> Iterator[RunningSession]:
    for path in folder.glob("*.json"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(OSError, ValueError, TypeError):
                yield RunningSession(**json.loads(os.read(descriptor, 65_536)))
        else:
            with contextlib.suppress(OSError), locked(folder):
                _remove(path, descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path, descriptor: int) -> None:
    """Unless another has taken its place meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(path.lstat(), os.fstat(descriptor)):
            path.unlink()
