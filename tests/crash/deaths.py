"""Deaths of every part of a running system, in every phase of its life, under every user: afterwards the home works.

A cell strikes one victim in one phase; then the next start must go on by itself, and nothing may be left behind.
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
from pathlib import Path

from tests.app.other_user import become, environment, home_of, interpreter_of, tg, without_namespaces
from tests.app.paper_process import eventually
from tests.crash.cells import Cell, Phase, Victim, Who
from tests.crash.surroundings import SetClock, fill_up, free, mounted_disk

from triplegain.storage.home_database import cluster_folder
from triplegain.storage.postmaster import ServerState, processes, read_postmaster, server_state

_SESSION = ("--feed", "demo", "--llm", "none")
_RUN = ("paper", *_SESSION, "--speed", "60", "--session", "mortal", "--json")
_AGAIN = ("paper", *_SESSION, "--speed", "max", "--session", "mortal", "--duration", "30s", "--json")
#: Until everything has come to its end, whatever had to be waited for.
_END_S = 90.0
#: Of a process that ended as it was asked to.
_ENDED = (0, 130, -signal.SIGINT)


def look_at(cell: Cell, chance: random.Random) -> None:
    """Raises AssertionError where the home does not come back by itself."""
    paths: AbstractContextManager[str] = without_namespaces() if cell.who is Who.BLOCKED_ROOT else nullcontext("")
    with home_of(cell.owner) as home, paths as path:
        disk = mounted_disk(home) if cell.victim is Victim.DISK else nullcontext()
        clock = SetClock(home.parent) if cell.victim is Victim.CLOCK else None
        environ = {"PATH": path} if path else {}
        mortal = _Mortal(cell, home, environ | (clock.environ if clock else {}), clock)
        with disk:
            _die_and_come_back(mortal, chance)


def _die_and_come_back(mortal: _Mortal, chance: random.Random) -> None:
    try:
        mortal.die(chance)
        mortal.come_back()
    # With what it said last.
    except AssertionError as error:
        error.add_note(mortal.said[-3000:])
        raise
    finally:
        mortal.bury()


def _assert_words(said: str) -> None:
    assert "Traceback" not in said, said[-3000:]


class _Mortal:
    def __init__(self, cell: Cell, home: Path, environ: dict[str, str], clock: SetClock | None) -> None:
        self._cell = cell
        self._home = home
        self._environ = environ
        self._clock = clock
        #: Outside of the home: whatever happens to that, the words are heard.
        self._heard = home.parent / "said"
        self._cluster = cluster_folder(home) / "data"
        # Root at a user's home must be able to go on as that user.
        self._python = interpreter_of(cell.owner)
        self._process: subprocess.Popen[bytes] | None = None

    def die(self, chance: random.Random) -> None:
        if self._cell.phase is Phase.MIGRATION:
            assert self._tg("db", "status").returncode == 0
        self._process = process = self._started()
        self._reach_phase(chance)
        self._strike(chance)
        match self._cell.victim:
            case Victim.PROCESS | Victim.GROUP:
                # A stop may have come to its end before the blow.
                by_itself = _ENDED if self._cell.phase is Phase.STOPPING else ()
                assert process.wait(_END_S) in (-signal.SIGKILL, *by_itself)
            case Victim.POSTMASTER | Victim.BACKEND | Victim.CHECKPOINTER | Victim.CLOCK:
                self._a_while(chance.uniform(0, 3))
                self._stop()
            case Victim.DISK:
                self._live_on_a_full_disk(chance)

    def _stop(self) -> None:
        """It ends as it was asked to, or has ended in words."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        code = self._process.wait(_END_S)
        assert code in _ENDED or '"error_code"' in self.said, code
        _assert_words(self.said)

    def _live_on_a_full_disk(self, chance: random.Random) -> None:
        """It waits for room, or says what is wrong; a start meanwhile says so, too."""
        assert self._process is not None
        self._a_while(chance.uniform(0, 8))
        if self._process.poll() is None and chance.random() < 0.5:
            free(self._home)
            self._a_while(chance.uniform(0, 5))
            self._stop()
            return
        self._stop()
        again = self._tg(*_AGAIN)
        _assert_words(again.stdout + again.stderr)
        for said in (self.said, again.stdout):
            assert '"error_code"' not in said or "free some space" in said.lower(), said
        assert again.returncode == 0 or '"error_code"' in again.stdout, again
        free(self._home)

    @property
    def said(self) -> str:
        return self._heard.read_text(errors="replace") if self._heard.exists() else ""

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
        free(self._home)
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
        with self._heard.open("wb") as heard:
            return subprocess.Popen(
                [self._python, "-P", "-m", "triplegain", *_RUN],
                env=environment(self._home, self._environ),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=heard,
                stderr=heard,
                start_new_session=True,
                **become(self._cell.caller),
            )

    def _reach_phase(self, chance: random.Random) -> None:
        match self._cell.phase:
            case Phase.START:
                eventually(self._begun(chance), "the start")
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

    def _begun(self, chance: random.Random) -> Callable[[], object]:
        """What the start is known by: the making of the cluster, or whom it is about."""
        match self._cell.victim:
            case Victim.PROCESS | Victim.GROUP:
                return self._being_made if chance.random() < 0.5 else self._victim
            case Victim.DISK | Victim.CLOCK:
                return chance.choice((lambda: True, cluster_folder(self._home).exists, self._being_made))
            case Victim.POSTMASTER | Victim.BACKEND | Victim.CHECKPOINTER:
                return self._victim

    def _strike(self, chance: random.Random) -> None:
        assert self._process is not None
        match self._cell.victim:
            case Victim.GROUP:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            case Victim.DISK:
                fill_up(self._home)
            case Victim.CLOCK:
                assert self._clock is not None
                self._clock.step(chance.choice((-1, 1)) * chance.uniform(2, 30))
            case Victim.PROCESS | Victim.POSTMASTER | Victim.BACKEND | Victim.CHECKPOINTER:
                if (pid := self._once(self._victim)) is not None:
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
            case Victim.DISK | Victim.CLOCK:
                raise AssertionError("no process")

    def _pid_named(self, words: str) -> int | None:
        """A process of the server whose title begins so."""
        for each in processes(self._cluster):
            with contextlib.suppress(OSError):
                title = Path(f"/proc/{each.pid}/cmdline").read_bytes()
                if title.startswith(f"postgres: {words}".encode()):
                    return each.pid
        return None
