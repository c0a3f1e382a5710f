"""The PostgreSQL that comes with the program: made at first use, shared by every process of one home.

Whoever needs the cluster holds a shared lock on `users.lock`; the kernel drops it however the process ends. Whoever
leaves and finds nobody else holding it stops the server. A server left behind by kill -9 is attached to.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

from triplegain.storage.errors import StorageError
from triplegain.storage.server_identity import ServerIdentity, choose_identity, wheel_installation

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


USER = DATABASE = "triplegain"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
_RETRY_S = 0.1
_LOG_BYTES_MAX = 10_000_000
#: A unix socket path holds 107 bytes on Linux, 103 elsewhere.
_SOCKET_PATH_BYTES_MAX = 100
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedCluster:
    """One user's hold on the cluster in `folder`. Blocking; from async code call it in a thread.

    `durable=False` gives up crash safety for speed: for tests only.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._asked_folder = folder.absolute()
        self._durable = durable
        self._users: IO[bytes] | None = None
        self._identity: ServerIdentity | None = None

    def start(self) -> str:
        """Make the cluster if need be, start or attach to its server, and return the URL of the database."""
        if self._users is not None:
            raise StorageError("this cluster is already started")
        identity = self._identity = choose_identity(wheel_installation(), self._asked_folder)
        try:
            identity.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if identity.user is not None:
                identity.folder.chmod(0o711)
            with self._turn():
                if not (self.cluster / "PG_VERSION").exists():
                    self._create(identity)
                users = (identity.folder / "users.lock").open("ab")
                fcntl.flock(users, fcntl.LOCK_SH)
                try:
                    socket_folder = self._attach() or self._launch(identity)
                except BaseException:
                    users.close()
                    raise
                self._users = users
        except OSError as error:
            raise StorageError(f"the database in {identity.folder} cannot be started: {error}") from error
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(socket_folder))}"

    def revive(self) -> None:
        """The server runs and answers again, at the address that `start` gave; at once where it does so already.

        For who holds the cluster, from any thread. Raises StorageError, and may be tried again.
        """
        identity = self._identity
        if self._users is None or identity is None:
            raise StorageError("this cluster is not started")
        try:
            with self._turn():
                self._attach() or self._launch(identity)
        except OSError as error:
            raise StorageError(f"the database in {self.folder} cannot be started again: {error}") from error

    def stop(self) -> None:
        """Let go; the last one to do so stops the server. Nothing happens if it was not started."""
        if self._users is None:
            return
        with self._turn():
            users, self._users = self._users, None
            with users:
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
                served = read_postmaster(self.cluster)
                stop_postmaster(self.cluster, STOP_TIMEOUT_S)
                if served and served.socket_folder != self.folder:
                    with contextlib.suppress(OSError):
                        served.socket_folder.rmdir()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def folder(self) -> Path:
        """Where the cluster lives: the folder asked for, unless the server's user could not reach it."""
        return self._identity.folder if self._identity else self._asked_folder

    @property
    def cluster(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Starting and stopping, one process at a time."""
        with (self.folder / "start.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _create(self, identity: ServerIdentity) -> None:
        """A new cluster with its database, published whole by a rename."""
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        identity.own(partial)
        options = ["--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        options += ["--locale=C", "--no-instructions", f"--username={USER}", f"--pgdata={partial}"]
        self._run(identity, "initdb", options if self._durable else [*options, "--no-sync"])
        single = ["--single", "-D", str(partial), *([] if self._durable else ["-F"]), "postgres"]
        self._run(identity, "postgres", single, f"CREATE DATABASE {DATABASE}\n")
        partial.rename(self.cluster)

    def _run(self, identity: ServerIdentity, name: str, options: list[str], typed: str = "") -> None:
        done = subprocess.run(
            [*identity.program(name), *options],
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            **identity.process,
        )
        if done.returncode:
            raise StorageError(f"{name} could not make the database in {self.folder}: {done.stderr.strip()[-600:]}")

    def _attach(self) -> Path | None:
        """The socket folder of a server that already serves this cluster; None if there is none."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (found := read_postmaster(self.cluster)) is not None:
            if found.ready and found.answers:
                return found.socket_folder
            if not serves(found.pid, self.cluster):
                bury_postmaster(self.cluster, found)
                return None
            if time.monotonic() > deadline:
                raise StorageError(f"PostgreSQL (process {found.pid}) runs but does not answer: see {self.log}")
            time.sleep(_POLL_S)
        return None

    def _launch(self, identity: ServerIdentity) -> Path:
        """Start the server and wait until it is ready. Raises StorageError with the end of its log."""
        socket_folder = _socket_folder(identity)
        settings = _SETTINGS | {"unix_socket_directories": str(socket_folder)} | ({} if self._durable else _THROWAWAY)
        if sys.platform == "linux":
            settings["recovery_init_sync_method"] = "syncfs"
        command = [*identity.program("postgres"), "-D", str(self.cluster)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        identity.own(self.cluster)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".old"))
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._started(identity, command, deadline):
            time.sleep(_RETRY_S)
        return socket_folder

    def _started(self, identity: ServerIdentity, command: list[str], deadline: float) -> bool:
        """One attempt. False if the children of a killed server still hold its shared memory: they will notice."""
        with self.log.open("ab") as log:
            before = log.tell()
            # Its own session: Ctrl-C in the terminal is for us, and others may go on using the server.
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity.process,
            )
        while server.poll() is None:
            found = read_postmaster(self.cluster)
            if found and found.pid == server.pid and found.ready and found.answers:
                # It may outlive this object: no warning about a child that still runs.
                server.returncode = 0
                return True
            if time.monotonic() > deadline:
                server.kill()
                raise StorageError(f"PostgreSQL was not ready within {START_TIMEOUT_S:.0f} s: see {self.log}")
            time.sleep(_POLL_S)
        said = self.log.read_bytes()[before:].decode(errors="replace").strip()
        if "shared memory block" in said and time.monotonic() < deadline:
            return False
        raise StorageError(f"PostgreSQL did not start: {said[-600:]} (log: {self.log})")


def _socket_folder(identity: ServerIdentity) -> Path:
    """The cluster's folder, or a private one with a short name where that path is too long for a socket."""
    folder = identity.folder
    if identity.user is None and len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_BYTES_MAX:
        return folder
    digest = hashlib.blake2b(os.fsencode(folder), digest_size=6).hexdigest()
    short = Path(tempfile.gettempdir()) / f"triplegain-{os.geteuid()}-{digest}"
    if len(os.fsencode(short / f".s.PGSQL.{PORT}")) > _SOCKET_PATH_BYTES_MAX:
        short = Path("/tmp") / short.name
    short.mkdir(mode=0o700, exist_ok=True)
    identity.own(short)
    status = short.lstat()
    if short.is_symlink() or status.st_uid not in (os.geteuid(), identity.user) or status.st_mode & 0o077:
        raise StorageError(f"{short} is not ours alone: remove it, or set TMPDIR to a private folder")
    return short
