"""What was done to the embedded database, or by root to a user's home: it heals by itself, or refuses in words."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.other_user import STRANGER, environment, home_of, interpreter_of, tg, why_not, without_namespaces
from tests.app.paper_process import PaperHome, eventually
from tests.yardstick import timed

from triplegain.storage import server_identity
from triplegain.storage.home_database import cluster_folder
from triplegain.storage.postmaster import ServerState, processes, read_postmaster, server_state
from triplegain.storage.server_place import of_earlier_versions

pytestmark = pytest.mark.slow

_PAPER = ("paper", "--feed", "demo", "--llm", "none", "--speed", "max", "--duration", "10s", "--json")
_DOCTOR_S = 10.0
_needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@pytest.fixture
def user_home() -> Iterator[Path]:
    if why := why_not(STRANGER):
        pytest.skip(why)
    with home_of(STRANGER) as home:
        yield home


@pytest.fixture
def root_home() -> Iterator[Path]:
    with home_of(0) as home:
        yield home


@pytest.fixture
def blocked_path() -> Iterator[str]:
    with without_namespaces() as path:
        yield path


def _kill_checkpointer(cluster: Path) -> int:
    """In a server that serves; the server's first process."""
    found = read_postmaster(cluster)
    assert found is not None
    for each in processes(cluster):
        with contextlib.suppress(OSError):
            if b"checkpointer" in Path(f"/proc/{each.pid}/cmdline").read_bytes():
                os.kill(each.pid, signal.SIGKILL)
    return found.pid


def _stuck(home: PaperHome) -> None:
    """A server that stands in its own end: asked to stop in the first moments of a recovery."""
    cluster = cluster_folder(home.path) / "data"
    for attempt in range(30):
        with home.running("paper", "--feed", "demo", "--llm", "none", "--session", f"s{attempt}") as running:
            eventually(lambda: server_state(cluster) is ServerState.SERVING or running.is_over, "the server")
            eventually(lambda: list((home.path / "running").glob("*.json")), "the session")
            running.kill()
            first = _kill_checkpointer(cluster)
            eventually(lambda: server_state(cluster) is not ServerState.SERVING, "the recovery", 5)
            os.kill(first, signal.SIGINT)
        deadline = time.monotonic() + 1
        while processes(cluster) and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(first, os.WNOHANG)
        if processes(cluster):
            assert server_state(cluster) is ServerState.STOPPING
            return
    pytest.fail("no server stood still in its end")


def test_a_server_stuck_in_its_own_end_is_ended_by_the_next_command(home: PaperHome) -> None:
    home.path.mkdir(mode=0o700)
    _stuck(home)
    with timed() as took:
        assert home.run("doctor", "--json").code == 0
    # The program's own start comes on top.
    assert took.seconds < _DOCTOR_S + 5
    home.paper("--feed", "demo", "--llm", "none", "--duration", "10s")
    assert not processes(cluster_folder(home.path) / "data")


def test_doctor_does_not_wait_for_a_server_that_does_not_reply(home: PaperHome) -> None:
    cluster = cluster_folder(home.path) / "data"
    with home.running("paper", "--feed", "demo", "--llm", "none") as running:
        eventually(lambda: list((home.path / "running").glob("*.json")) or running.is_over, "the session")
        running.kill()
    found = read_postmaster(cluster)
    assert found is not None
    os.kill(found.pid, signal.SIGSTOP)
    with timed() as took:
        told = {each["check"]: each for each in json.loads(home.run("doctor", "--json").stdout)["checks"]}
    assert took.seconds < _DOCTOR_S
    assert told["database"]["verdict"] == "fix" and "tg paper" in told["database"]["action"]
    os.kill(found.pid, signal.SIGCONT)
    home.paper("--feed", "demo", "--llm", "none", "--duration", "10s")
    assert not processes(cluster)


@_needs_root
def test_root_at_a_users_home_goes_on_as_that_user(user_home: Path) -> None:
    python = interpreter_of(STRANGER)
    assert tg(user_home, *_PAPER, uid=STRANGER).returncode == 0
    by_root = tg(user_home, *_PAPER, python=python)
    assert by_root.returncode == 0, by_root
    assert f"going on as user {STRANGER}, not as root" in by_root.stderr
    assert tg(user_home, *_PAPER, uid=STRANGER).returncode == 0
    assert {path.lstat().st_uid for path in (user_home, *user_home.rglob("*"))} == {STRANGER}


@_needs_root
def test_root_at_a_users_home_who_cannot_be_that_user_refuses_and_touches_nothing(user_home: Path) -> None:
    assert tg(user_home, *_PAPER, uid=STRANGER).returncode == 0
    before = {path: path.lstat() for path in (user_home, *user_home.rglob("*"))}
    with tempfile.TemporaryDirectory() as private:
        # An interpreter of root's own, as in a checkout below /root.
        python = Path(private) / "python"
        python.symlink_to(interpreter_of(STRANGER))
        refused = tg(user_home, *_PAPER, python=str(python))
    assert refused.returncode == 3, refused
    assert f"belongs to user {STRANGER}" in refused.stdout and "TRIPLEGAIN_HOME" in refused.stdout
    after = {path: path.lstat() for path in (user_home, *user_home.rglob("*"))}
    assert {path: (each.st_uid, each.st_mtime_ns) for path, each in after.items()} == {
        path: (each.st_uid, each.st_mtime_ns) for path, each in before.items()
    }
    assert tg(user_home, *_PAPER, uid=STRANGER).returncode == 0


def _write_candles(folder: Path, seconds_of: tuple[int, ...], unit: int) -> None:
    folder.mkdir()
    rows = [f"{(start + 60 * n) * unit},100,101,99,100,1.5" for start in seconds_of for n in range(30)]
    text = "\n".join(["timestamp,open,high,low,close,volume", *rows, ""])
    (folder / "BTC_USDT-1m.csv").write_text(text)


@pytest.mark.parametrize(
    ("seconds_of", "unit", "words"),
    [
        ((1_704_499_200,), 1_000_000, "another unit"),
        ((1_704_499_200, 6_999_999_960), 1, "another unit"),
        ((1_704_499_200, 6_999_999_960), 1_000, "another unit"),
    ],
    ids=["microseconds", "a hole of 167 years", "the same in milliseconds"],
)
def test_a_market_whose_time_leaps_is_refused_in_words(
    home: PaperHome, tmp_path: Path, seconds_of: tuple[int, ...], unit: int, words: str
) -> None:
    _write_candles(tmp_path / "candles", seconds_of, unit)
    refused = home.run("paper", "--feed", f"replay:{tmp_path / 'candles'}", "--speed", "max", "--llm", "none", "--json")
    assert refused.code == 6, refused
    assert words in refused.error["error_message"]


def test_a_long_hole_in_a_market_does_not_keep_a_signal_from_being_heard(home: PaperHome, tmp_path: Path) -> None:
    # 390 days of silence: a quarter of a minute of thoughts.
    _write_candles(tmp_path / "candles", (1_704_499_200, 1_704_499_200 + 390 * 86_400), 1)
    words = ("paper", "--feed", f"replay:{tmp_path / 'candles'}", "--speed", "max", "--llm", "none", "--json")
    with home.running(*words) as running:
        eventually(lambda: list((home.path / "running").glob("*.json")), "the session")
        with timed() as took:
            running.process.send_signal(signal.SIGTERM)
            assert running.wait().code == 0
        assert took.seconds < 8


@_needs_root
@pytest.mark.parametrize("long", [False, True], ids=["short path", "long path"])
def test_a_link_laid_in_the_temporary_folder_is_not_followed(root_home: Path, blocked_path: str, long: bool) -> None:
    home = root_home / ("long" * 30) if long else root_home
    home.mkdir(exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryDirectory() as victim:
        Path(temporary).chmod(0o1777)
        (Path(victim) / "shadow").write_text("root:x")
        (Path(victim) / "sub").mkdir()
        environ = {"PATH": blocked_path, "TMPDIR": temporary}
        # What it called its folders once is what somebody could foresee.
        assert tg(home, *_PAPER, environ=environ).returncode == 0
        seen = _names_while_it_runs(home, environ, Path(temporary))
        for name in seen:
            (Path(temporary) / name).symlink_to(victim)
        ran = tg(home, *_PAPER, environ=environ)
        assert ran.returncode == 0, ran
        assert {path.lstat().st_uid for path in (Path(victim), *Path(victim).rglob("*"))} == {0}
        assert (Path(victim) / "shadow").read_text() == "root:x"


def _names_while_it_runs(home: Path, environ: dict[str, str], temporary: Path) -> set[str]:
    words = [interpreter_of(0), "-P", "-m", "triplegain", *_PAPER[:5], "--speed", "1"]
    process = subprocess.Popen(words, env=environment(home, environ), stdout=subprocess.DEVNULL, stderr=2)
    try:
        eventually(lambda: list((home / "running").glob("*.json")), "the session")
        return {path.name for path in temporary.iterdir()}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


@_needs_root
def test_whether_namespaces_are_allowed_does_not_decide_which_database_is_opened(
    root_home: Path, blocked_path: str
) -> None:
    """The home is private: nobody but root passes."""
    for name, environ in (("blocked", {"PATH": blocked_path}), ("allowed", {}), ("again", {"PATH": blocked_path})):
        ran = tg(root_home, *_PAPER, "--session", name, environ=environ)
        assert ran.returncode == 0, ran
    listed = json.loads(tg(root_home, "session", "list", "--json").stdout)
    assert {each["session_id"] for each in listed} == {"blocked", "allowed", "again"}


@_needs_root
def test_two_databases_of_a_home_are_refused_by_name(home: PaperHome) -> None:
    """The other one lies where an earlier version kept it as root without namespaces."""
    home.paper("--feed", "demo", "--llm", "none", "--duration", "10s")
    here = cluster_folder(home.path) / "data"
    before = here.stat().st_mtime_ns
    elsewhere = of_earlier_versions(cluster_folder(home.path)) / "data"
    made = not server_identity.REACHABLE_FOLDER.exists()
    elsewhere.mkdir(parents=True)
    try:
        (elsewhere / "PG_VERSION").write_text("18\n")
        refused = home.run("session", "list", "--json")
    finally:
        (elsewhere / "PG_VERSION").unlink()
        elsewhere.rmdir()
        elsewhere.parent.rmdir()
        if made:
            server_identity.REACHABLE_FOLDER.rmdir()
    assert refused.code == 5
    assert str(here) in refused.error["error_message"] and str(elsewhere) in refused.error["error_message"]
    assert here.stat().st_mtime_ns == before
    assert home.run("session", "list", "--json").code == 0
