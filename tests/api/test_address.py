"""Finding the running session."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from triplegain.api.address import (
    NotRunningError,
    RunningFolderError,
    RunningSession,
    find_running,
    publish,
    running_folder,
    running_sessions,
)

HERE = RunningSession("paper_a", os.getpid(), "127.0.0.1", 8733, "demo", 7)


def test_any_session_of_the_only_process_speaks_for_all_of_them(tmp_path: Path) -> None:
    publish(tmp_path, HERE)
    publish(tmp_path, replace(HERE, session="paper_b"))
    assert find_running(tmp_path, all_of_process=True).pid == HERE.pid
    with pytest.raises(NotRunningError, match=r"several sessions are running.*paper_a, paper_b"):
        find_running(tmp_path)
    publish(tmp_path, replace(HERE, session="paper_c", pid=HERE.pid + 1))
    with pytest.raises(NotRunningError, match="several sessions are running"):
        find_running(tmp_path, all_of_process=True)


def left_behind(home: Path, session: str, pid: int) -> Path:
    """What a process that was killed leaves."""
    path = running_folder(home) / f"{session}.json"
    path.write_text(json.dumps(asdict(replace(HERE, session=session, pid=pid))))
    return path


def test_the_one_that_runs_is_found_until_it_is_withdrawn(tmp_path: Path) -> None:
    published = publish(tmp_path, HERE)
    assert stat.S_IMODE(published.path.stat().st_mode) == 0o600
    assert find_running(tmp_path) == find_running(tmp_path, "paper_a") == HERE
    published.withdraw()
    published.withdraw()
    with pytest.raises(NotRunningError, match="no session is running") as refused:
        find_running(tmp_path)
    assert refused.value.exit_code == 8


def test_of_several_one_must_be_named(tmp_path: Path) -> None:
    held = [publish(tmp_path, HERE), publish(tmp_path, replace(HERE, session="paper_b"))]
    assert find_running(tmp_path, "paper_b").session == "paper_b"
    with pytest.raises(NotRunningError, match=r"--session \(paper_a, paper_b\)"):
        find_running(tmp_path)
    with pytest.raises(NotRunningError, match="paper_c is not running; running: paper_a, paper_b"):
        find_running(tmp_path, "paper_c")
    for each in held:
        each.withdraw()


def test_a_file_that_no_process_holds_is_stale_whoever_has_its_number(tmp_path: Path) -> None:
    left = [left_behind(tmp_path, f"paper_{pid}", pid) for pid in (1, os.getpid(), 2**22 + 1)]
    assert running_sessions(tmp_path) == []
    assert not any(path.exists() for path in left)


def test_a_broken_file_is_passed_over_and_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("{}")
    (running_folder(tmp_path) / "linked.json").symlink_to(elsewhere)
    broken = publish(tmp_path, HERE)
    broken.path.write_text("{")
    assert running_sessions(tmp_path) == []
    assert elsewhere.exists() and broken.path.exists()
    broken.withdraw()


def test_who_withdraws_leaves_the_file_of_another_that_took_its_place(tmp_path: Path) -> None:
    earlier = publish(tmp_path, HERE)
    later = publish(tmp_path, replace(HERE, port=1))
    earlier.withdraw()
    assert find_running(tmp_path).port == 1
    later.withdraw()


def test_a_folder_that_others_may_reach_into_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    folder = running_folder(tmp_path)
    folder.chmod(0o755)
    with pytest.raises(RunningFolderError, match="chmod 700"):
        find_running(tmp_path)
