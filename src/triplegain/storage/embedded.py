"""The PostgreSQL that comes with the program: made at first use, shared by every process of one home.

Whoever needs the cluster holds a shared lock on `users.lock`; the kernel drops it however the process ends. Whoever
leaves and finds nobody else holding it stops the server. A server left behind by kill -9 is attached to, one that
repairs its files is waited for, and one that does not end or does not reply is ended harder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, assert_never
from urllib.parse import quote

from triplegain.storage.errors import StorageError
from triplegain.storage.held_folders import HeldFolders
from triplegain.storage.postmaster import DATABASE, PORT, USER, ServerState, read_postmaster, server_state
from triplegain.storage.remedies import essence, remedy
from triplegain.storage.server_identity import RunsAs, ServerIdentity
from triplegain.storage.server_launch import Launch
from triplegain.storage.server_place import Place, check_folder, decide_place, remove_link, socket_folder
from triplegain.storage.server_waiting import GivenUpError, Patience, Stillness, end_server

#: A server that starts or repairs its files is ended and started anew where nothing of it has moved for so long.
_STARTING_STILL_S = 120.0
_SILENT_STILL_S = 20.0
#: How long the last to leave waits for a server that starts or repairs its files, before it is left as it is.
_LEAVE_AFTER_S = 30.0
_GIVEN_UP_LEAVE_AFTER_S = 2.0
_ASK_S = 0.02
_WAITING_FOR = {
    ServerState.STARTING: " to start; after a crash or a loss of power it repairs its files first",
    ServerState.RECOVERING: " to repair its files after the death of one of its processes",
    ServerState.SERVING: "",
    ServerState.STOPPING: " to stop, to be started again",
    ServerState.SILENT: ", which does not reply",
    ServerState.GONE: " to be started",
}
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    # Its own folder, where it works: short, private, and the same whatever the path to it is.
    "unix_socket_directories": ".",
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

    `durable=False` gives up crash safety for speed: for tests only. `tell` is given what a long wait is for.
    """

    def __init__(self, folder: Path, *, durable: bool = True, tell: Callable[[str], None] = lambda words: None) -> None:
        self.folder = folder.absolute()
        self._durable = durable
        self._tell = tell
        self._patience = Patience(tell)
        self._users: IO[bytes] | None = None
        self._place: Place | None = None
        self._reach: Path | None = None
        self._seen = ServerState.GONE
        self._held: HeldFolders | None = None

    def start(self) -> str:
        """Make the cluster if need be, start or attach to its server, and return the URL of the database.

        Raises StorageError, and GivenUpError after `give_up`; then nothing is held.
        """
        if self._users is not None:
            raise StorageError("this cluster is already started")
        self._patience.begin()
        check_folder(self.folder)
        with self._explained("started"):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._turn():
                self._place = decide_place(self.folder)
                identity = ServerIdentity.of(self._place.runs_as)
                if not (self.cluster / "PG_VERSION").exists():
                    self._create(identity)
                self._reach, self._place = socket_folder(self.folder, self._place)
                self._users = (self.folder / "users.lock").open("ab")
                try:
                    fcntl.flock(self._users, fcntl.LOCK_SH)
                    self._serve(identity)
                    self._held = HeldFolders.of(self.folder, self.cluster)
                except BaseException:
                    self._patience.begin()
                    # To end one that does not reply takes longer than whoever gives up wants to wait.
                    self._release(_GIVEN_UP_LEAVE_AFTER_S, leaves=self._seen is ServerState.SILENT)
                    raise
                found = read_postmaster(self.cluster)
        # A server that an earlier version has started has its socket elsewhere.
        folder = found.socket_folder if found and found.socket_folder != self.cluster else self._reach
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(folder))}"

    def revive(self) -> None:
        """The server runs and answers again, at the address that `start` gave; at once where it does so already.

        For who holds the cluster, from any thread. Raises StorageError, and may be tried again.
        """
        if self._users is None or self._place is None or self._held is None:
            raise StorageError("this cluster is not started")
        if not self._held.are_in_place:
            raise StorageError(f"{self.folder} was moved or removed while its database was in use")
        self._patience.begin()
        with self._explained("started again"), self._turn():
            self._serve(ServerIdentity.of(self._place.runs_as))

    def stop(self) -> None:
        """Let go; the last one to do so stops the server. Nothing happens if it was not started.

        A server that repairs its files is waited for, and left to whoever comes next if that takes long.
        """
        if self._users is None:
            return
        self._patience.begin()
        held, self._held = self._held, None
        try:
            if held is None or held.are_in_place:
                with self._explained("stopped"), self._turn():
                    self._release(_LEAVE_AFTER_S)
            else:
                # At its path there is nothing any more, or somebody else's.
                self._release(_LEAVE_AFTER_S, of=held.cluster)
        except GivenUpError:
            self._tell("PostgreSQL is left as it is: whoever comes next goes on with it")
        finally:
            if held is not None:
                held.close()
            if self._users is not None:
                self._users.close()
                self._users = None

    def give_up(self) -> None:
        """From another thread: `start` or `stop` does not wait any longer. A server that starts or stops is left."""
        self._patience.give_up()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def cluster(self) -> Path:
        return self.folder / (self._place.data if self._place else "data")

    @property
    def described(self) -> str:
        """Where it is and who runs it, in words."""
        runs_as = self._place.runs_as if self._place else RunsAs.OWNER
        match runs_as:
            case RunsAs.OWNER:
                user = "this user"
            case RunsAs.NAMESPACE:
                user = "this user, in a user namespace"
            case RunsAs.NOBODY:
                user = "the user nobody, as root may not"
            case _:
                assert_never(runs_as)
        return f"embedded, in {self.cluster}, run by {user}"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @contextlib.contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"the database in {self.folder} cannot be {done}: {error}{remedy(str(error), self.folder)}"
            ) from error

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Starting and stopping, one process at a time."""
        wait = self._patience.waiting_for(f"another process that starts or stops the database in {self.folder}")
        with (self.folder / "start.lock").open("ab") as lock:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                wait.tell()
                self._patience.pause()
            yield

    def _create(self, identity: ServerIdentity) -> None:
        """A new cluster with its database, published whole by a rename.

        Its folder has a name of its own: what made the one before may still write there, if it was killed.
        """
        for left in self.folder.glob("data.partial*"):
            shutil.rmtree(left, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix="data.partial-", dir=self.folder))
        identity.own(partial)
        options = ["--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        options += ["--locale=C", "--no-instructions", f"--username={USER}", *([] if self._durable else ["--no-sync"])]
        self._run(identity, partial, ["initdb", *options])
        single = ["postgres", "--single", *([] if self._durable else ["-F"])]
        self._run(identity, partial, single, "postgres", f"CREATE DATABASE {DATABASE}\n")
        partial.rename(self.cluster)

    def _run(self, identity: ServerIdentity, folder: Path, command: list[str], last: str = "", typed: str = "") -> None:
        """A program that works on the cluster in `folder`; it is killed, with its children, where we give up."""
        program, *options = command
        wait = self._patience.waiting_for(f"a new database to be made in {self.folder}")
        with identity.working_on(folder) as (name, started), tempfile.TemporaryFile() as said:
            words = [*identity.command(program), *options, "-D", name, *filter(None, [last])]
            process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=said, stderr=said, **started)
            try:
                assert process.stdin is not None
                with contextlib.suppress(BrokenPipeError), process.stdin as asked:
                    asked.write(typed.encode())
                while process.poll() is None:
                    wait.tell()
                    self._patience.pause()
            except BaseException:
                # Its own session: the group is the program and whatever it has started.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            said.seek(0)
            words_said = said.read().decode(errors="replace").strip()
        if process.returncode:
            ended = f"killed by signal {-process.returncode}: " if process.returncode < 0 else ""
            raise StorageError(
                f"{program} could not make the database in {self.folder}: {ended}{essence(words_said)}"
                f"{remedy(words_said, self.folder)}"
            )

    def _state(self) -> ServerState:
        self._seen = server_state(self.cluster, self._reach)
        return self._seen

    def _serve(self, identity: ServerIdentity) -> None:
        """When this returns the server answers. Raises StorageError with the end of its log where it does not start."""
        launch = Launch(identity, self.cluster, self.log, self._settings())
        try:
            self._bring_up(launch)
        finally:
            launch.leave()

    def _bring_up(self, launch: Launch) -> None:
        wait, still = self._patience.waiting_for(f"PostgreSQL in {self.cluster}"), Stillness(self.cluster)
        while True:
            state = self._state()
            match state:
                case ServerState.SERVING:
                    return
                case ServerState.GONE:
                    launch.go_on()
                    is_stuck = False
                case ServerState.STARTING | ServerState.RECOVERING:
                    is_stuck = still.seconds > _STARTING_STILL_S
                case ServerState.SILENT:
                    is_stuck = still.seconds > _SILENT_STILL_S
                case ServerState.STOPPING:
                    is_stuck = True
                case _:
                    assert_never(state)
            if is_stuck:
                end_server(self.cluster, self._patience)
                still = Stillness(self.cluster)
            wait.tell(_WAITING_FOR[state])
            self._patience.pause(_ASK_S)

    def _settings(self) -> dict[str, str]:
        settings = _SETTINGS | ({} if self._durable else _THROWAWAY)
        return settings | ({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {})

    def _release(self, leave_after_s: float, *, leaves: bool = False, of: Path | None = None) -> None:
        """Within our turn: let go, and stop the server if nobody else uses it, unless it is left as it is.

        `of`: the way to a cluster that is not in its place any more, where nobody waits for a turn.
        """
        users, self._users = self._users, None
        if users is None or self._place is None:
            return
        with users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if of is not None:
                end_server(of, self._patience)
                remove_link(self._place)
            elif not leaves and self._is_settled(leave_after_s):
                end_server(self.cluster, self._patience)
                remove_link(self._place)

    def _is_settled(self, leave_after_s: float) -> bool:
        """A server that starts or repairs its files is waited for; whether it has come to an end of that."""
        wait = self._patience.waiting_for(f"PostgreSQL in {self.cluster} to repair its files")
        while self._state() in (ServerState.STARTING, ServerState.RECOVERING):
            if wait.seconds > leave_after_s:
                self._tell("PostgreSQL still repairs its files: it is left at that, and whoever comes next uses it")
                return False
            wait.tell()
            self._patience.pause(_ASK_S)
        return True
