"""How every command ends: its exit code, its one line of error."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.conftest import Tg

import triplegain
from triplegain.api.address import RunningSession, publish

SOURCES = Path(triplegain.__file__).parent.parent


def test_without_a_running_session_a_command_says_how_to_start_one(tg: Tg) -> None:
    said = tg("flat")
    assert (said.code, said.out) == (8, "")
    assert said.err == "no session is running: start one with `./tg paper`\n"
    assert tg("flat", "--json").json == {
        "error_code": "not_running",
        "error_message": "no session is running: start one with `./tg paper`",
    }


def test_a_session_that_does_not_answer_is_exit_code_8(tg: Tg, home: Path) -> None:
    running = RunningSession("paper_a", os.getpid(), "127.0.0.1", 1, "demo", 0)
    first = publish(home, running)
    said = tg("pause")
    assert said.code == 8 and "paper_a does not answer at its socket" in said.err
    second = publish(home, replace(running, session="paper_b"))
    assert "paper_a does not answer at its socket" in tg("pause").err, "one process has both"
    assert "--session" in tg("resume").err
    first.withdraw()
    second.withdraw()


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (RuntimeError("a\nb"), 1)])
def test_an_interrupt_is_130_and_a_bug_is_one_line(
    tg: Tg, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def broken(home: object, session: object, **_: object) -> None:
        raise error

    monkeypatch.setattr("triplegain.cli.client.find_running", broken)
    said = tg("flat")
    assert said.code == code
    assert said.err == ("" if code == 130 else "RuntimeError: a b (TRIPLEGAIN_DEBUG=1 shows where)\n")
    monkeypatch.setenv("TRIPLEGAIN_DEBUG", "1")
    assert ("Traceback" in tg("flat").err) is (code == 1)


def test_an_unknown_command_is_exit_code_2(tg: Tg) -> None:
    assert tg("fly").code == 2
    assert tg("fly", "--json").json["error_code"] == "usage"
    assert tg("--version").out.startswith("TripleGain ")


def test_help_loads_nothing_heavy() -> None:
    """Whatever `--help` imports every user waits for, each time."""
    heavy = {"asyncpg", "fastapi", "httpx", "pydantic", "uvicorn", "numpy", "nanoarrow"}
    script = (
        "import sys; from triplegain.cli import main; code = main(['--help']); "
        f"print(sorted({heavy!r} & set(sys.modules)), code, file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[] 0"
