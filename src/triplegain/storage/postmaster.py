"""What is to be seen of the PostgreSQL server of a cluster: its pid file, its processes, what it replies."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
USER = DATABASE = "triplegain"
_REPLY_TIMEOUT_S = 2.0
_PROTOCOL = 3 << 16
_TERMINATE = b"X\0\0\0\4"
_CANNOT_CONNECT_NOW = b"C57P03"
_PROC = Path("/proc")
#: No process has it: beyond the largest pid of every system.
_NO_PID = 2**31 - 1


class ServerState(StrEnum):
    """STARTING repairs its files, too, where the server before it was killed; RECOVERING is a living server that does
    so after the death of one of its processes. SILENT: it is there and does not reply."""

    STARTING = "starting"
    RECOVERING = "recovering"
    SERVING = "serving"
    STOPPING = "stopping"
    SILENT = "silent"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What `postmaster.pid` says. `status` is the server's own word; empty while the file is being written."""

    pid: int
    socket_folder: Path
    status: str


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """`waits_for_disk`: it can do nothing else meanwhile, not even be killed."""

    pid: int
    cpu_ticks: int
    waits_for_disk: bool


def read_postmaster(cluster: Path) -> Postmaster | None:
    """The server that says it serves this cluster; None if there is no pid file."""
    try:
        lines = (cluster / "postmaster.pid").read_text(errors="surrogateescape").splitlines()
        pid = int(lines[0])
    except (OSError, IndexError, ValueError):
        return None
    complete = len(lines) > 7
    # A relative folder is relative to the cluster, where the server works.
    return Postmaster(pid, cluster / lines[4] if complete else cluster, lines[-1].strip() if complete else "")


def server_state(cluster: Path, reach: Path | None = None) -> ServerState:
    """Of the server of this cluster, whoever started it. `reach` is a short path to its sockets where theirs is long.

    A server whose process is not to be seen is there all the same if it replies: it may live in another container.
    """
    found = read_postmaster(cluster)
    if found is None:
        return ServerState.GONE
    is_there = serves(found.pid, cluster)
    if is_there and found.status in ("", "starting"):
        return ServerState.STARTING
    if is_there and found.status == "stopping":
        return ServerState.STOPPING
    own = found.socket_folder == cluster
    replied = _state_it_replies(reach if reach and own else found.socket_folder)
    return ServerState.GONE if replied is ServerState.SILENT and not is_there else replied


def _state_it_replies(folder: Path) -> ServerState:
    """From the answer to a request to connect: the one proof of life that a recycled pid cannot fake."""
    words = f"user\0{USER}\0database\0postgres\0\0".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_REPLY_TIMEOUT_S)
        try:
            probe.connect(str(folder / SOCKET_NAME))
            probe.sendall(struct.pack("!II", len(words) + 8, _PROTOCOL) + words)
            reply = probe.recv(1024)
            if reply[:1] == b"R":
                probe.sendall(_TERMINATE)
        except OSError:
            return ServerState.SILENT
    if not reply:
        return ServerState.SILENT
    if _CANNOT_CONNECT_NOW not in reply:
        return ServerState.SERVING
    if b"shutting down" in reply:
        return ServerState.STOPPING
    return ServerState.STARTING if b"starting up" in reply else ServerState.RECOVERING


def serves(pid: int, cluster: Path) -> bool:
    """Whether the process is a living PostgreSQL of this cluster. Zombies and recycled pids are not."""
    if not (_PROC / "self" / "stat").exists():
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            return True
        return True
    seen = _process(pid)
    if seen is None:
        return False
    with contextlib.suppress(OSError):
        if os.fsencode(cluster) in (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0"):
            return True
    return _works_in(pid, cluster)


def processes(cluster: Path) -> list[ServerProcess]:
    """Every living process of the cluster's servers, also those that outlived the first one.

    They all work in the cluster's folder. Only on Linux; elsewhere empty.
    """
    if not (_PROC / "self" / "stat").exists():
        return []
    pids = [int(name) for name in os.listdir(_PROC) if name.isdecimal()]
    seen = (_process(pid) for pid in pids if _works_in(pid, cluster))
    return [each for each in seen if each is not None]


def bury(cluster: Path, dead: Postmaster) -> None:
    """Mark the server that `postmaster.pid` names as dead, where its pid is a zombie or somebody else's by now.

    PostgreSQL would take such a pid for a living server. The file itself must stay: by the shared memory it names a
    new server notices children of the old one that still write, and refuses to start beside them.
    """
    reap(dead.pid)
    path = cluster / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError):
        lines = path.read_text(errors="surrogateescape").splitlines(keepends=True)
        path.write_text("".join([f"{_NO_PID}\n", *lines[1:]]), errors="surrogateescape")
    (dead.socket_folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)


def reap(pid: int) -> None:
    """Collect the exit status if the server is our child, so that it does not stay as a zombie."""
    with contextlib.suppress(ChildProcessError, OverflowError):
        os.waitpid(pid, os.WNOHANG)


def _process(pid: int) -> ServerProcess | None:
    """None if it is not there, or a zombie."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if len(fields) < 13 or fields[0] in "ZX":
        return None
    return ServerProcess(pid, int(fields[11]) + int(fields[12]), fields[0] == "D")


def _works_in(pid: int, cluster: Path) -> bool:
    """Whether it is a PostgreSQL process that works in the cluster's folder."""
    try:
        name = (_PROC / str(pid) / "comm").read_text(errors="replace").strip()
        return name == "postgres" and os.path.samefile(_PROC / str(pid) / "cwd", cluster)
    except OSError:
        return False
