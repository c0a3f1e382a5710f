"""The home of a running session is moved or removed: it says so, ends, and leaves no server behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.app.paper_process import PaperHome, eventually

from triplegain.app.home_watch import HomeWatch
from triplegain.storage.errors import StorageError
from triplegain.storage.postmaster import read_postmaster


@pytest.mark.parametrize("becomes", ["moved", "removed", "another's"])
def test_a_home_that_is_gone_is_told_once_and_ends_the_session(tmp_path: Path, becomes: str) -> None:
    home, told = tmp_path / "home", list[str]()
    home.mkdir()
    watch = HomeWatch((home,), told.append, lambda: told.append("stop"))
    watch.look()
    assert told == []
    if becomes == "removed":
        shutil.rmtree(home)
    else:
        home.rename(tmp_path / "elsewhere")
    if becomes == "another's":
        home.mkdir()
    watch.look()
    watch.look()
    assert len(told) == 2 and told[1] == "stop"
    assert told[0].startswith(f"{home} was moved or removed while the session ran")


def test_whatever_ends_for_it_ends_in_its_words(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    watch = HomeWatch((home,), lambda words: None, lambda: None)
    with pytest.raises(StorageError, match=r"^the disk is slow$"), watch.explaining():
        raise StorageError("the disk is slow")
    with watch.explaining():
        pass
    home.rmdir()
    with pytest.raises(StorageError, match="was moved or removed"), watch.explaining():
        raise StorageError("the server is gone")
    with pytest.raises(StorageError, match="was moved or removed"), watch.explaining():
        pass


def is_alive(pid: int) -> bool:
    """Not gone, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a moved server is found by /proc")
@pytest.mark.parametrize("becomes", ["moved", "removed", "emptied"])
def test_a_running_session_whose_home_is_gone_leaves_no_server_behind(tmp_path: Path, becomes: str) -> None:
    home = PaperHome(tmp_path / "home")
    with home.running("paper", "--feed", "demo", "--llm", "none") as running:
        eventually(lambda: list((home.path / "running").glob("*.json")) if home.path.exists() else None, "a session")
        found = read_postmaster(home.path / "postgres" / "data")
        assert found is not None
        if becomes == "moved":
            home.path.rename(tmp_path / "elsewhere")
        elif becomes == "emptied":
            shutil.rmtree(home.path / "postgres" / "data", ignore_errors=True)
        else:
            while home.path.exists():
                shutil.rmtree(home.path, ignore_errors=True)
        ended = running.wait(60)
    assert ended.code == 5
    assert "was moved or removed while the session ran" in ended.stderr.splitlines()[-1]
    eventually(lambda: not is_alive(found.pid), "the end of the server", 10)
    if becomes == "moved":
        again = PaperHome(tmp_path / "elsewhere").run("paper", "--feed", "demo", "--llm", "none", "--duration", "1s")
        assert again.code == 0, again.stderr
