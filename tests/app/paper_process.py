"""The real command line in processes of its own, on a home of its own.

A command that is waited for is forked from a server that has loaded the program already: loading takes longer than most
commands. It is a process all the same, with its own environment, folder, output and exit code.
"""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).resolve().parents[2] / "src"
TIMEOUT_S = 120.0
_POLL_S = 0.005
#: What a test must not inherit from whoever runs it.
_OURS = ("TRIPLEGAIN_", "KRAKEN_", "PG", "COV_", "PYTEST_")

#: Where nobody answers: no test asks the real exchange for anything.
NO_KRAKEN = {"TRIPLEGAIN_KRAKEN_REST_URL": "http://127.0.0.1:9", "TRIPLEGAIN_KRAKEN_WS_URL": "ws://127.0.0.1:9/v2"}


#: `risk.yaml` of a trader on short candles that is to be seen at work: it would rest for most of a capture of minutes.
RESTLESS_RISK = """
cooldown_minutes: {trade: 0, loss: 0, losing_streak: 0, long_losing_streak: 0, volatility_spike: 0, unusual_move: 0}
losing_streak: {losses: 3, confidence_add: 0, max_leverage: 2}
long_losing_streak: {losses: 5, confidence_add: 0, max_leverage: 1, next_size_multiplier: 1}
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that is over; `code` is negative for a signal."""

    code: int
    stdout: str
    stderr: str

    @property
    def answer(self) -> Any:
        """The one line of JSON on stdout; fails if there is anything else."""
        assert self.code == 0, f"exit code {self.code}\n{self.stdout}\n{self.stderr}"
        (line,) = self.stdout.splitlines()
        return json.loads(line)

    @property
    def error(self) -> dict[str, str]:
        """What `--json` answers instead when a command fails."""
        (line,) = self.stdout.splitlines()
        error: dict[str, str] = json.loads(line)
        assert set(error) == {"error_code", "error_message"}, error
        return error


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["triplegain.cli", "triplegain.app.paper_run", "triplegain.cli.paper", "triplegain.cli.report"]
)


def _carry_out(module: str, words: tuple[str, ...], environ: dict[str, str], folder: Path, outputs: list[Path]) -> None:
    """What `python -m module words` does, in a process that is forked for it."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for number, path in enumerate((Path(os.devnull), *outputs)):
        os.dup2(os.open(path, os.O_RDWR), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", errors="backslashreplace")  # noqa: SIM115
    sys.argv = [module, *words]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        # A forked process ends without them.
        atexit._run_exitfuncs()


class Running:
    """A command that runs. Its output goes to files: children that outlive it would hold a pipe open."""

    def __init__(self, process: subprocess.Popen[bytes], stdout: Path, stderr: Path) -> None:
        self.process = process
        self._stdout = stdout
        self._stderr = stderr

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    @property
    def said(self) -> str:
        """Its standard output so far."""
        return self._stdout.read_text()

    @property
    def complained(self) -> str:
        """Its standard error so far."""
        return self._stderr.read_text()

    def kill(self) -> Finished:
        """kill -9: no handler, no farewell, no flush."""
        self.process.kill()
        return self.wait()

    def interrupt(self) -> Finished:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self, timeout_s: float = TIMEOUT_S) -> Finished:
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        return Finished(code, self._stdout.read_text(), self._stderr.read_text())


@dataclass(frozen=True, slots=True)
class PaperHome:
    """A TRIPLEGAIN_HOME. `environ` is added to a clean environment."""

    path: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def start(self, *words: str, module: str = "triplegain", environ: Mapping[str, str] | None = None) -> Running:
        stdout, stderr = self._outputs()
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.path.parent,
                env=self._environment() | dict(environ or {}),
            )
        return Running(process, stdout, stderr)

    def run(
        self,
        *words: str,
        module: str = "triplegain",
        environ: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Finished:
        stdout, stderr = outputs = self._outputs()
        given = self._environment() | dict(environ or {})
        process = _FORKS.Process(target=_carry_out, args=(module, words, given, self.path.parent, outputs))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{words} takes more than {timeout_s:g} s: {stderr.read_text()}")
        return Finished(process.exitcode, stdout.read_text(), stderr.read_text())

    def paper(self, *words: str, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """`paper --speed max --json` to its end; the summary."""
        summary: dict[str, Any] = self.run("paper", "--speed", "max", "--json", *words, timeout_s=timeout_s).answer
        return summary

    @contextmanager
    def running(self, *words: str, environ: Mapping[str, str] | None = None) -> Iterator[Running]:
        """Started, and gone at the end whatever happens."""
        running = self.start(*words, environ=environ)
        try:
            yield running
        finally:
            if not running.is_over:
                running.kill()

    def _outputs(self) -> list[Path]:
        """New files for standard output and standard error."""
        folder = self.path.parent / f"{self.path.name}.output"
        folder.mkdir(exist_ok=True)
        number = next(self._numbers)
        files = [folder / f"{number}.stdout", folder / f"{number}.stderr"]
        for file in files:
            file.touch()
        return files

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        ours = {"PYTHONPATH": str(SOURCES), "TRIPLEGAIN_HOME": str(self.path), **NO_KRAKEN}
        return {**inherited, **ours, **self.environ}


def eventually(question: Callable[[], Any], what: str, timeout_s: float = 60.0) -> Any:
    """The first true answer; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (answer := question()):
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain for {what}"
        time.sleep(_POLL_S)
    return answer
