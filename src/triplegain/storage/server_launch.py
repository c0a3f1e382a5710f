"""Starting the PostgreSQL server of a cluster whose server is gone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from triplegain import installation
from triplegain.storage.errors import StorageError
from triplegain.storage.postmaster import bury, read_postmaster
from triplegain.storage.remedies import essence, remedy
from triplegain.storage.server_identity import ServerIdentity
from triplegain.storage.server_waiting import end_orphans

_LOG_BYTES_MAX = 10_000_000
#: How long a server may take to write its pid file, and how long it is started again while what is left of the one
#: before it ends.
_UNSEEN_S = _AGAIN_S = 60.0
_NOT_ALONE = ("shared memory block", "lock file")


class Launch:
    """Attempts to start one server. `settings` are those of postgresql.conf."""

    def __init__(self, identity: ServerIdentity, cluster: Path, log: Path, settings: Mapping[str, str]) -> None:
        self._identity = identity
        self._cluster = cluster
        self._log = log
        self._settings = settings
        self._server: subprocess.Popen[bytes] | None = None
        self._log_began = 0
        self._began = time.monotonic()

    def go_on(self) -> None:
        """While no server is to be seen: starts one, or looks what became of it. Raises StorageError if it failed."""
        if self._server is None:
            self._start()
        elif self._server.poll() is not None:
            self._look_why()
        elif time.monotonic() - self._began > _UNSEEN_S:
            self._server.kill()
            self._server.wait()
            raise StorageError(
                f"PostgreSQL in {self._cluster} has not begun within {_UNSEEN_S:.0f} s (log: {self._log})"
            )

    def leave(self) -> None:
        """It goes on without us: what has written its pid file outlives this process, and is attached to."""
        if self._server is None:
            return
        found = read_postmaster(self._cluster)
        if found is None or found.pid != self._server.pid:
            self._server.kill()
            self._server.wait()
        # No warning about a child that still runs.
        self._server.returncode = 0

    def _start(self) -> None:
        end_orphans(self._cluster)
        if (dead := read_postmaster(self._cluster)) is not None:
            bury(self._cluster, dead)
        self._identity.own(self._cluster)
        self._identity.guard(self._cluster)
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES_MAX:
            self._log.replace(self._log.with_suffix(".old"))
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log, self._identity.working_on(self._cluster) as (name, started):
            self._log_began = log.tell()
            if (held := installation.held()) is not None:
                # It may outlive us, and its programs lie in the environment that we run in.
                started["pass_fds"] = (*started.get("pass_fds", ()), held)
            self._server = subprocess.Popen(
                [*self._identity.command("postgres"), "-D", name, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **started,
            )

    def _look_why(self) -> None:
        """What is left of a server before it, or another one that starts, is no reason to give up at once."""
        said = self._log.read_bytes()[self._log_began :].decode(errors="replace").strip()
        self._server = None
        if any(words in said for words in _NOT_ALONE) and time.monotonic() - self._began < _AGAIN_S:
            return
        raise StorageError(
            f"PostgreSQL did not start: {essence(said)} (log: {self._log}){remedy(said, self._log.parent)}"
        )
