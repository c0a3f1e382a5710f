"""Waiting for a PostgreSQL server: as long as it gets on, ready to be given up, and never without a next step."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from triplegain.storage.errors import StorageError
from triplegain.storage.postmaster import processes, read_postmaster, reap, serves

_POLL_S = 0.01
_LOOK_S = 0.25
_TELL_AFTER_S = 2.0
_TELL_AGAIN_S = 30.0


class GivenUpError(StorageError):
    """Whoever waited for the server does not want it any more."""


class Patience:
    """One person's waiting. `give_up` may be called from any thread; `tell` is given what is waited for."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._given_up = threading.Event()

    def give_up(self) -> None:
        self._given_up.set()

    def begin(self) -> None:
        self._given_up.clear()

    @property
    def is_over(self) -> bool:
        return self._given_up.is_set()

    def pause(self, seconds: float = _POLL_S) -> None:
        """Raises GivenUpError at once when it is over."""
        if self._given_up.wait(seconds):
            raise GivenUpError("stopped while waiting for the database")

    def waiting_for(self, words: str) -> Wait:
        return Wait(words, self._tell)


@dataclass(slots=True)
class Wait:
    """Tells what is waited for where it takes long."""

    _words: str
    _tell: Callable[[str], None]
    _since: float = field(default_factory=time.monotonic)
    _next_s: float = _TELL_AFTER_S

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._since

    def tell(self, why: str = "") -> None:
        if self.seconds >= self._next_s:
            self._tell(f"Waiting for {self._words}{why} ({self.seconds:.0f} s; Ctrl-C gives up)")
            self._next_s = self.seconds + _TELL_AGAIN_S


class Stillness:
    """For how long nothing has moved in a cluster: no process of its server used the processor or waited for the disk,
    and neither its pid file nor its control file changed. Without /proc only the files are seen."""

    def __init__(self, cluster: Path) -> None:
        self._cluster = cluster
        self._files: object = None
        self._ticks: dict[int, int] = {}
        self._moved = self._looked = 0.0

    @property
    def seconds(self) -> float:
        now = time.monotonic()
        if now - self._looked >= _LOOK_S:
            self._looked = now
            if self._has_moved() or not self._moved:
                self._moved = now
        return now - self._moved

    def _has_moved(self) -> bool:
        files, before = self._look_at_files(), self._ticks
        seen = processes(self._cluster)
        self._ticks = {each.pid: each.cpu_ticks for each in seen}
        found = read_postmaster(self._cluster)
        # The first process answers whoever asks it, and that is no progress.
        first = found.pid if found else 0
        moved = files != self._files or any(
            each.waits_for_disk or before.get(each.pid, each.cpu_ticks) != each.cpu_ticks
            for each in seen
            if each.pid != first
        )
        self._files = files
        return moved

    def _look_at_files(self) -> list[tuple[int, int]]:
        found = []
        for name in ("postmaster.pid", "global/pg_control"):
            with contextlib.suppress(OSError):
                status = (self._cluster / name).stat()
                found.append((status.st_mtime_ns, status.st_size))
        return found


@dataclass(frozen=True, slots=True)
class Ending:
    """A way to end a server; the next one is tried when it stood still for `still_s`, or after `longest_s`."""

    signal: signal.Signals
    still_s: float
    longest_s: float


#: Fast, immediate, by force. Nothing acknowledged is lost by any of them: the next start repairs the files.
ENDINGS = (
    Ending(signal.SIGINT, 3.0, 120.0),
    Ending(signal.SIGQUIT, 7.0, 15.0),
    Ending(signal.SIGKILL, 5.0, 10.0),
)


def end_server(cluster: Path, patience: Patience) -> None:
    """End every process of the cluster's server, each way harder than the one before, until none is there.

    Raises StorageError if one cannot be killed (its disk does not answer), GivenUpError.
    """
    for ending in ENDINGS:
        if _ended(cluster, ending, patience):
            return
    left = ", ".join(str(each.pid) for each in processes(cluster)) or "its first one"
    raise StorageError(
        f"PostgreSQL in {cluster} does not end: process {left} cannot be killed, which happens when a disk does not "
        "answer. Look at the disk; restarting the machine ends it, and nothing that was acknowledged is lost"
    )


def _ended(cluster: Path, ending: Ending, patience: Patience) -> bool:
    still, wait = Stillness(cluster), patience.waiting_for(f"PostgreSQL in {cluster} to stop")
    found = read_postmaster(cluster)
    if found is not None and serves(found.pid, cluster):
        _send(found.pid, ending.signal)
    if ending.signal is signal.SIGKILL or found is None or not serves(found.pid, cluster):
        end_orphans(cluster)
    while True:
        if found is not None:
            reap(found.pid)
        if (found is None or not serves(found.pid, cluster)) and not processes(cluster):
            return True
        if still.seconds > ending.still_s or wait.seconds > ending.longest_s:
            return False
        wait.tell()
        patience.pause()


def end_orphans(cluster: Path) -> bool:
    """Kill what is left of a server whose first process is gone; whether there was anything."""
    found = read_postmaster(cluster)
    orphans = [each.pid for each in processes(cluster) if found is None or each.pid != found.pid]
    for pid in orphans:
        _send(pid, signal.SIGKILL)
    return bool(orphans)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
