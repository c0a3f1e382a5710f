"""Deaths of every part of a running system, in every phase of its life, under every user: afterwards the home works.

A cell kills one victim in one phase; then the next start must go on by itself, and nothing may be left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path

from tests.app.other_user import STRANGER, become, environment, home_of, interpreter_of, tg, why_not, without_namespaces
from tests.app.paper_process import eventually

from triplegain.storage.home_database import cluster_folder
from triplegain.storage.postmaster import ServerState, processes, read_postmaster, server_state

_SESSION = ("--feed", "demo", "--llm", "none")
_RUN = ("paper", *_SESSION, "--speed", "60", "--session", "mortal", "--json")
_AGAIN = ("paper", *_SESSION, "--speed", "max", "--session", "mortal", "--duration", "30s", "--json")
#: Until everything has come to its end, whatever had to be waited for.
_END_S = 90.0


class Victim(StrEnum):
    PROCESS = "process"
    GROUP = "group"
    POSTMASTER = "postmaster"
    BACKEND = "backend"
    CHECKPOINTER = "checkpointer"


class Phase(StrEnum):
    START = "start"
    MIGRATION = "migration"
    RUNNING = "running"
    STOPPING = "stopping"
    RECOVERY = "recovery"


class Who(StrEnum):
    """ROOT_AT_A_USERS: root gives the commands, on a user's home. BLOCKED_ROOT: root without user namespaces."""

    USER = "user"
    ROOT = "root"
    ROOT_AT_A_USERS = "root-at-a-users"
    BLOCKED_ROOT = "blocked-root"


@dataclass(frozen=True, slots=True)
class Cell:
    victim: Victim
    phase: Phase
    who: Who

    def __str__(self) -> str:
        return f"{self.victim}-{self.phase}-{self.who}"

    @property
    def owner(self) -> int:
        return STRANGER if self.who in (Who.USER, Who.ROOT_AT_A_USERS) else 0

    @property
    def caller(self) -> int:
        return STRANGER if self.who is Who.USER else 0

    @property
    def why_not(self) -> str:
        """Why it cannot be looked at here; empty if it can."""
        return why_not(self.owner)


def all_cells() -> list[Cell]:
    return [Cell(*each) for each in product(Victim, Phase, Who)]


def sample(seed: int) -> list[Cell]:
    """One cell for each victim; of phases and users as many as there are."""
    chance = random.Random(seed)
    phases, people = chance.sample(list(Phase), len(Phase)), [*Who, Who.USER]
    chance.shuffle(people)
    return [Cell(*each) for each in zip(Victim, phases, people, strict=True)]


def look_at(cell: Cell, chance: random.Random) -> None:
    """Raises AssertionError where the home does not come back by itself."""
    paths: AbstractContextManager[str] = without_namespaces() if cell.who is Who.BLOCKED_ROOT else nullcontext("")
    with home_of(cell.owner) as home, paths as path:
        mortal = _Mortal(cell, home, {"PATH": path} if path else {})
        try:
            mortal.die(chance)
            mortal.come_back()
        finally:
            mortal.bury()


class _Mortal:
    def __init__(self, cell: Cell, home: Path, environ: dict[str, str]) -> None:
        self._cell = cell
        self._home = home
        self._environ = environ
        self._cluster = cluster_folder(home) / "data"
        # Root at a user's home must be able to go on as that user.
        self._python = interpreter_of(cell.owner)
        self._process: subprocess.Popen[bytes] | None = None

    def die(self, chance: random.Random) -> None:
        if self._cell.phase is Phase.MIGRATION:
            assert self._tg("db", "status").returncode == 0
        self._process = process = self._started()
        self._reach_phase(chance)
        self._kill()
        if self._cell.victim in (Victim.PROCESS, Victim.GROUP):
            assert process.wait(_END_S) == -signal.SIGKILL
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 3))
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        assert process.wait(_END_S) in (0, 5, 130, -signal.SIGINT), process.returncode

    def come_back(self) -> None:
        again = self._tg(*_AGAIN)
        assert again.returncode == 0, (again.stdout, again.stderr)
        verified = self._tg("db", "verify", "--json")
        assert json.loads(verified.stdout)["ok"], verified.stdout
        eventually(lambda: not processes(self._cluster), "the server's end")
        strangers = [path for path in (self._home, *self._home.rglob("*")) if not self._is_theirs(path)]
        assert not strangers, strangers

    def bury(self) -> None:
        """What a cell that failed has left."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for each in processes(self._cluster):
            os.kill(each.pid, signal.SIGKILL)
        eventually(lambda: not processes(self._cluster), "the end of what was left")

    def _is_theirs(self, path: Path) -> bool:
        of_the_server = self._cell.who is Who.BLOCKED_ROOT and self._cluster in (path, *path.parents)
        return of_the_server or path.lstat().st_uid == self._cell.owner

    def _tg(self, *words: str) -> subprocess.CompletedProcess[str]:
        return tg(
            self._home, *words, uid=self._cell.caller, python=self._python, timeout_s=_END_S, environ=self._environ
        )

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self._python, "-P", "-m", "triplegain", *_RUN],
            env=environment(self._home, self._environ),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **become(self._cell.caller),
        )

    def _reach_phase(self, chance: random.Random) -> None:
        match self._cell.phase:
            case Phase.START:
                is_ours = self._cell.victim in (Victim.PROCESS, Victim.GROUP)
                made = self._being_made if is_ours and chance.random() < 0.5 else self._victim
                eventually(made, "the start")
            case Phase.MIGRATION:
                eventually(lambda: self._pid_named("triplegain triplegain"), "a migration")
            case Phase.RUNNING:
                self._until_it_runs()
            case Phase.STOPPING:
                self._until_it_runs()
                assert self._process is not None
                self._process.send_signal(signal.SIGINT)
                self._a_while(chance.uniform(0, 0.3))
            case Phase.RECOVERY:
                self._until_it_runs()
                os.kill(eventually(lambda: self._pid_named("checkpointer"), "a checkpointer"), signal.SIGKILL)
                eventually(lambda: server_state(self._cluster) is not ServerState.SERVING, "the recovery", 5)

    def _a_while(self, seconds: float) -> None:
        """Or until the process has ended."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def _until_it_runs(self) -> None:
        eventually((self._home / "running" / "mortal.json").exists, "the session")

    def _being_made(self) -> bool:
        return any(cluster_folder(self._home).glob("data.partial*"))

    def _kill(self) -> None:
        assert self._process is not None
        if self._cell.victim is Victim.GROUP:
            os.killpg(self._process.pid, signal.SIGKILL)
        elif (pid := self._once(self._victim)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _once(self, victim: Callable[[], int | None]) -> int | None:
        """The victim; None if it is gone by itself, which a stop or a recovery may bring about at any time."""
        pid = victim()
        if pid is None and self._cell.phase not in (Phase.STOPPING, Phase.RECOVERY):
            pid = eventually(victim, f"the {self._cell.victim}")
        return pid

    def _victim(self) -> int | None:
        match self._cell.victim:
            case Victim.PROCESS | Victim.GROUP:
                return self._process.pid if self._process and self._cluster.exists() else None
            case Victim.POSTMASTER:
                found = read_postmaster(self._cluster)
                return found.pid if found else None
            case Victim.BACKEND:
                return self._pid_named("triplegain")
            case Victim.CHECKPOINTER:
                return self._pid_named("checkpointer")

    def _pid_named(self, words: str) -> int | None:
        """A process of the server whose title begins so."""
        for each in processes(self._cluster):
            with contextlib.suppress(OSError):
                title = Path(f"/proc/{each.pid}/cmdline").read_bytes()
                if title.startswith(f"postgres: {words}".encode()):
                    return each.pid
        return None
