"""What a command that a user types costs: CPU seconds of all that it starts, the database included."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Cost:
    cpu_s: float
    stdout: str
    stderr: str


def program_environment(home: Path, config: Path | None = None) -> dict[str, str]:
    """Ours for `./tg`, with a home and a configuration of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TRIPLEGAIN_", "PG"))}
    own = {"TRIPLEGAIN_HOME": str(home)} | ({} if config is None else {"TRIPLEGAIN_CONFIG_DIR": str(config)})
    return clean | own


def run_whole(command: Sequence[str | Path], environ: Mapping[str, str], cwd: Path | None = None) -> Cost:
    """Run it and wait for all that it started; nothing else may run below us. Raises SystemExit where it fails."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "what a command leaves cannot be waited for here")
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        cpu_s = used.ru_utime + used.ru_stime + _left_s()
        out.seek(0)
        errors.seek(0)
        cost = Cost(cpu_s, out.read(), errors.read())
    if child.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {child.returncode}\n{cost.stderr[-2000:]}")
    return cost


def _left_s() -> float:
    """What it left to end by itself, as a database server would be."""
    left_s = 0.0
    while True:
        try:
            _, _, used = os.wait4(-1, 0)
        except ChildProcessError:
            return left_s
        left_s += used.ru_utime + used.ru_stime
