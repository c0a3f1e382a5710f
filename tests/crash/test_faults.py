"""What surrounds a run fails: the database, the disk, a second process, the user's patience. Nothing is lost."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import PaperHome, Running, eventually
from tests.app.stored_record import ask, check_record, database_of
from tests.crash.surroundings import fill_up, free, mounted_disk, why_no_disk

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder
from triplegain.storage.postmaster import ServerState, read_postmaster, server_state

pytestmark = pytest.mark.crash

_WHOLE = ("orders", "fills", "fees", "equity", "halted", "fills_sha256", "ledger_sha256")
_FILLS = "SELECT fill_number FROM paper_session_state WHERE session_id = $1"
_STATUS = "SELECT status::text FROM paper_sessions WHERE session_id = $1"


def _same_end(summary: dict[str, Any], uninterrupted: dict[str, Any]) -> None:
    assert {name: summary[name] for name in _WHOLE} == {name: uninterrupted[name] for name in _WHOLE}


@contextmanager
def _replay(home: PaperHome, feed: str, session: str) -> Iterator[Running]:
    """A replay that has its first fills stored and a good deal of its market before it."""
    with home.running("paper", "--feed", feed, "--speed", "max", "--json", "--session", session) as running:
        _mid_run(home, running, session)
        yield running


def _mid_run(home: PaperHome, running: Running, session: str) -> None:
    """Until the session has its first fills stored; it must not be over by then."""

    def has_fills() -> bool:
        assert not running.is_over, running.wait()
        serves = server_state(cluster_folder(home.path) / "data") is ServerState.SERVING
        if not serves or not list((home.path / "running").glob(f"{session}.json")):
            return False
        with database_of(home) as url:
            rows = ask(url, _FILLS, session)
        return bool(rows and rows[0]["fill_number"])

    eventually(has_fills, "the first fills")


def _checked(home: PaperHome, session: str) -> str:
    """The session's status; its record is sound."""
    with database_of(home) as url:
        check_record(url, session)
        status: str = ask(url, _STATUS, session)[0][0]
    return status


def test_a_killed_database_is_brought_back_and_costs_nothing(
    home: PaperHome, feed: str, uninterrupted: dict[str, Any]
) -> None:
    with _replay(home, feed, "orphaned") as running:
        server = read_postmaster(cluster_folder(home.path) / "data")
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        finished = running.wait()
    _same_end(finished.answer, uninterrupted)
    assert "The database is away" in finished.stderr and "The database is back" in finished.stderr, finished.stderr
    assert _checked(home, "orphaned") == "ended"


def test_ctrl_c_pauses_the_session_with_its_summary(home: PaperHome, feed: str, uninterrupted: dict[str, Any]) -> None:
    with _replay(home, feed, "interrupted") as running:
        summary = running.interrupt().answer
    assert summary["session"] == "interrupted" and 0 < summary["events"] < uninterrupted["events"]
    assert _checked(home, "interrupted") == "paused"
    rest = home.paper("--session", "interrupted")
    assert summary["events"] + rest["events"] == uninterrupted["events"]
    _same_end(rest, uninterrupted)


def test_a_polite_end_is_a_clean_end_too(home: PaperHome) -> None:
    """SIGTERM, as a service manager sends it."""
    with home.running("paper", "--feed", "demo", "--speed", "20", "--json", "--session", "terminated") as running:
        _mid_run(home, running, "terminated")
        running.process.terminate()
        assert running.wait().answer["session"] == "terminated"
    assert _checked(home, "terminated") == "paused"


def test_a_second_process_on_one_session_is_turned_away(home: PaperHome) -> None:
    words = ("paper", "--feed", "demo", "--speed", "20", "--session", "contested")
    with home.running(*words, "--json") as first:
        _mid_run(home, first, "contested")
        second = home.run(*words)
        assert second.code == 7 and second.stdout == "", second
        (line,) = second.stderr.splitlines()
        assert "contested" in line and str(first.process.pid) in line and "Traceback" not in line
        assert not first.is_over
        assert first.interrupt().answer["fills"] > 0
    assert _checked(home, "contested") == "paused"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that can be filled up."""
    if why := why_no_disk():
        pytest.skip(why)
    folder = tmp_path / "small"
    folder.mkdir(mode=0o700)
    with mounted_disk(folder):
        yield folder
        free(folder)
        with EmbeddedCluster(cluster_folder(folder)):
            pass


def test_a_full_disk_is_waited_for_and_costs_nothing(
    small_disk: Path, feed: str, home: PaperHome, uninterrupted: dict[str, Any]
) -> None:
    small = PaperHome(small_disk, home.environ)
    with _replay(small, feed, "full") as running:
        fill_up(small_disk)
        # PostgreSQL refuses the step, or gives up itself when it was its journal that found no room.
        eventually(lambda: "The database is away" in running.complained, "words about the database")
        assert not running.is_over
        free(small_disk)
        finished = running.wait()
    _same_end(finished.answer, uninterrupted)
    assert "Traceback" not in finished.stderr
    assert _checked(small, "full") == "ended"


def test_who_stops_while_the_disk_is_full_goes_on_once_there_is_room(
    small_disk: Path, feed: str, home: PaperHome, uninterrupted: dict[str, Any]
) -> None:
    small = PaperHome(small_disk, home.environ)
    with _replay(small, feed, "full") as running:
        fill_up(small_disk)
        eventually(lambda: "The database is away" in running.complained, "words about the database")
        finished = running.interrupt()
    assert finished.code == 5, finished
    message = finished.error["error_message"]
    assert re.search("disk is full|server is gone|No space left", message), message
    assert "Traceback" not in finished.stderr
    again = small.run("paper", "--speed", "max", "--session", "full")
    assert again.code == 5 and "Traceback" not in again.stderr, again
    free(small_disk)
    assert _checked(small, "full") == "active"
    _same_end(small.paper("--session", "full"), uninterrupted)
