"""The running server of a cluster, as seen from outside: its pid file, its socket, its death."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from triplegain.storage.errors import StorageError

PORT = 5432
_POLL_S = 0.01
_REPLY_TIMEOUT_S = 2.0
#: Length 8 and the code 80877103; every server replies with one letter.
_TLS_REQUEST = bytes.fromhex("0000000804d2162f")
#: No process has it: beyond the largest pid of every system.
_NO_PID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says."""

    pid: int
    socket_folder: Path
    ready: bool

    @property
    def answers(self) -> bool:
        """Whether a server replies on its socket: the one proof of life that a recycled pid cannot fake.

        Connecting alone proves nothing, a dying server's queue takes that; the reply to a request for TLS does.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_REPLY_TIMEOUT_S)
            try:
                probe.connect(str(self.socket_folder / f".s.PGSQL.{PORT}"))
                probe.sendall(_TLS_REQUEST)
                return probe.recv(1) in (b"N", b"S")
            except OSError:
                return False


def read_postmaster(cluster: Path) -> Postmaster | None:
    """The server that says it serves this cluster; None if there is no (complete) pid file."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return Postmaster(int(lines[0]), Path(lines[4]), ready="ready" in lines[-1])
    except (OSError, IndexError, ValueError):
        return None


def serves(pid: int, cluster: Path) -> bool:
    """Whether the process is a living PostgreSQL of this cluster. Zombies and recycled pids are not."""
    proc = Path(f"/proc/{pid}")
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
        return False
    try:
        state = (proc / "stat").read_text().rpartition(")")[2].split()[0]
        arguments = (proc / "cmdline").read_bytes().split(b"\0")
    except (OSError, IndexError):
        return False
    return state != "Z" and os.fsencode(cluster) in arguments


def stop_postmaster(cluster: Path, timeout_s: float) -> None:
    """Fast shutdown, and wait until it is gone. Raises StorageError if it is still there after `timeout_s`."""
    found = read_postmaster(cluster)
    if found is None or not serves(found.pid, cluster):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGINT)
    deadline = time.monotonic() + timeout_s
    while serves(found.pid, cluster):
        if time.monotonic() > deadline:
            raise StorageError(f"PostgreSQL (process {found.pid}) did not stop within {timeout_s:.0f} s")
        _reap(found.pid)
        time.sleep(_POLL_S)


def bury_postmaster(cluster: Path, dead: Postmaster) -> None:
    """Mark the server that `postmaster.pid` names as dead, where its pid is a zombie or somebody else's by now.

    PostgreSQL would take such a pid for a living server. The file itself must stay: by the shared memory it names a
    new server notices children of the old one that still write, and refuses to start beside them.
    """
    _reap(dead.pid)
    path = cluster / "postmaster.pid"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([f"{_NO_PID}\n", *lines[1:]]))
    (dead.socket_folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def _reap(pid: int) -> None:
    """Collect the exit status if the server is our child, so that it does not stay as a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
