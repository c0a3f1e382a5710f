"""Finding the running session."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from triplegain.api.address import NotRunningError, RunningSession, find_running, publish, running_sessions, withdraw

HERE = RunningSession("paper_a", os.getpid(), "127.0.0.1", 8733, "demo", 7)


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_one_that_runs_is_found_until_it_is_withdrawn(tmp_path: Path) -> None:
    path = publish(tmp_path, HERE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert find_running(tmp_path) == find_running(tmp_path, "paper_a") == HERE
    withdraw(tmp_path, "paper_a")
    withdraw(tmp_path, "paper_a")
    with pytest.raises(NotRunningError, match="no session is running") as refused:
        find_running(tmp_path)
    assert refused.value.exit_code == 8


def test_of_several_one_must_be_named(tmp_path: Path) -> None:
    publish(tmp_path, HERE)
    publish(tmp_path, replace(HERE, session="paper_b"))
    assert find_running(tmp_path, "paper_b").session == "paper_b"
    with pytest.raises(NotRunningError, match=r"--session \(paper_a, paper_b\)"):
        find_running(tmp_path)
    with pytest.raises(NotRunningError, match="paper_c is not running; running: paper_a, paper_b"):
        find_running(tmp_path, "paper_c")


def test_what_a_killed_process_left_is_removed_and_a_broken_file_is_passed_over(tmp_path: Path) -> None:
    path = publish(tmp_path, replace(HERE, pid=dead_pid()))
    path.with_name("broken.json").write_text("{")
    path.with_name("other.json").write_text('{"pid": 1}')
    assert running_sessions(tmp_path) == []
    assert not path.exists()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8733"),
        ("::1", "http://[::1]:8733"),
        ("0.0.0.0", "http://127.0.0.1:8733"),
        ("::", "http://[::1]:8733"),
        ("localhost", "http://localhost:8733"),
    ],
)
def test_the_url_is_one_this_machine_can_reach(host: str, url: str) -> None:
    assert replace(HERE, host=host).url == url
