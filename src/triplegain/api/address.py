"""Where a running session answers: one small file each in `TRIPLEGAIN_HOME/running`."""

from __future__ import annotations

import ipaddress
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from triplegain.domain import ids
from triplegain.domain.errors import TripleGainError

_FOLDER = "running"


class NotRunningError(TripleGainError):
    """No running system to speak to, or more than one."""

    exit_code = 8


@dataclass(frozen=True, slots=True)
class RunningSession:
    """A process that runs a session; `started_at_ns` is wall time."""

    session: str
    pid: int
    host: str
    port: int
    feed: str
    started_at_ns: int

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return f"http://{self.host}:{self.port}"
        if address.is_unspecified:
            address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
        return f"http://[{address}]:{self.port}" if address.version == 6 else f"http://{address}:{self.port}"


def publish(home: Path, running: RunningSession) -> Path:
    """Tell the commands of this user where to find the session. Atomic, mode 0600."""
    folder = home / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{running.session}.json"
    aside = path.with_suffix(f".{ids.request_id()}")
    with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(running), file)
    aside.replace(path)
    return path


def withdraw(home: Path, session: str) -> None:
    """The session does not answer any more."""
    (home / _FOLDER / f"{session}.json").unlink(missing_ok=True)


def running_sessions(home: Path) -> list[RunningSession]:
    """Those whose process lives, by name; what a killed process left behind is removed."""
    return sorted(_living(home / _FOLDER), key=lambda running: running.session)


def find_running(home: Path, session: str | None = None) -> RunningSession:
    """The one that runs, or the one of this name. Raises NotRunningError."""
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
    if len(found) > 1:
        raise NotRunningError(f"several sessions are running: name one with --session ({names})")
    return found[0]


def _living(folder: Path) -> Iterator[RunningSession]:
    for path in folder.glob("*.json"):
        try:
            running = RunningSession(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        if _is_alive(running.pid):
            yield running
        else:
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":
        # There, signal 0 would end the process; who does not answer is told from the connection.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
