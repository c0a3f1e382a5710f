"""The embedded server: made, shared, left, killed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from tests.app.paper_process import eventually
from tests.database_fixtures import MIGRATIONS, run_apart
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record

from triplegain.domain.clock import ManualClock
from triplegain.storage import server_identity
from triplegain.storage.database import Database
from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.errors import StorageError
from triplegain.storage.migrations import migrate
from triplegain.storage.postmaster import read_postmaster, serves
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "postgres"
    yield folder
    found = read_postmaster(folder / "data")
    if found and serves(found.pid, folder / "data"):
        os.kill(found.pid, signal.SIGQUIT)


def running(cluster: EmbeddedCluster) -> int:
    """The server's pid, or 0."""
    found = read_postmaster(cluster.cluster)
    return found.pid if found and serves(found.pid, cluster.cluster) else 0


def _is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def test_the_last_to_leave_stops_the_server(folder: Path) -> None:
    first, second = EmbeddedCluster(folder, durable=False), EmbeddedCluster(folder, durable=False)
    url = first.start()
    assert second.start() == url
    pid = running(first)
    first.stop()
    assert running(second) == pid
    assert run_apart(ask(url, "SELECT 1")) == 1
    second.stop()
    assert running(second) == 0


def test_the_server_speaks_utf8_in_no_language_and_listens_to_no_network(folder: Path) -> None:
    with EmbeddedCluster(folder, durable=False) as url:
        assert run_apart(ask(url, "SELECT current_setting('listen_addresses')")) == ""
        assert run_apart(ask(url, "SELECT datlocale FROM pg_database WHERE datname = 'triplegain'")) == "C.UTF-8"
        assert run_apart(ask(url, "SELECT current_setting('server_encoding')")) == "UTF8"


def test_a_folder_with_a_long_name_gets_a_socket_with_a_short_one(tmp_path: Path) -> None:
    with EmbeddedCluster(tmp_path / ("long" * 30), durable=False) as url:
        assert run_apart(ask(url, "SELECT 1")) == 1
        assert tempfile.gettempdir() in url


def test_a_server_left_behind_by_a_killed_process_is_attached_to(folder: Path) -> None:
    child = os.fork()
    if child == 0:
        EmbeddedCluster(folder, durable=False).start()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    cluster = EmbeddedCluster(folder, durable=False)
    orphan = running(cluster)
    assert orphan
    cluster.start()
    assert running(cluster) == orphan
    cluster.stop()
    assert running(cluster) == 0


def test_a_server_that_died_is_brought_back_at_the_same_address(folder: Path) -> None:
    cluster = EmbeddedCluster(folder, durable=False)
    with cluster as url:
        before = running(cluster)
        cluster.revive()
        assert running(cluster) == before
        os.kill(before, signal.SIGKILL)
        cluster.revive()
        assert running(cluster) not in (0, before)
        assert run_apart(ask(url, "SELECT 1")) == 1
    assert running(cluster) == 0


def test_whoever_does_not_hold_a_cluster_cannot_bring_it_back(folder: Path) -> None:
    with pytest.raises(StorageError, match="not started"):
        EmbeddedCluster(folder, durable=False).revive()


def test_a_recycled_pid_in_the_pid_file_is_not_taken_for_a_server(folder: Path) -> None:
    cluster = EmbeddedCluster(folder, durable=False)
    with cluster:
        lines = (cluster.cluster / "postmaster.pid").read_text().splitlines()
    lines[0] = str(os.getpid())
    (cluster.cluster / "postmaster.pid").write_text("\n".join(lines))
    with cluster as url:
        assert run_apart(ask(url, "SELECT 1")) == 1
        assert running(cluster) not in (0, os.getpid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_user_namespaces_serves_as_nobody_in_a_private_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders above let nobody pass: pytest's are private."""
    monkeypatch.setattr(server_identity, "namespaces_allowed", lambda: False)
    cluster = EmbeddedCluster(folder, durable=False)
    with cluster as url:
        assert run_apart(ask(url, "SELECT 1")) == 1
        assert cluster.cluster == folder / "data"
        assert Path(f"/proc/{running(cluster)}").stat().st_uid == server_identity.NOBODY


def test_a_damaged_cluster_says_what_the_server_said(folder: Path) -> None:
    with EmbeddedCluster(folder, durable=False):
        pass
    (folder / "data" / "global" / "pg_control").unlink()
    with pytest.raises(StorageError, match="PostgreSQL did not start"):
        EmbeddedCluster(folder, durable=False).start()


def test_a_server_killed_in_mid_run_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    async def until_the_kill(url: str, pid: int) -> None:
        await migrate(url, MIGRATIONS)
        database = await Database.connect(url)
        store = SessionStore(database, ManualClock(START_NS))
        script = ScriptedSession((await store.create(session_record("s"))).session_id)
        for batch in (script.opening(), *(script.buy() for _ in range(20))):
            await store.commit("s", batch)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(StorageError, match="database server is gone") as failed:
            for _ in range(100):
                await store.commit("s", script.buy())
        assert failed.value.exit_code == 5
        await store.close()
        await database.close()

    async def afterwards(url: str) -> None:
        database = await Database.connect(url)
        store, reader = SessionStore(database, ManualClock(START_NS)), SessionReader(database)
        found = await store.resume("s")
        assert found is not None
        fills = len(await reader.fills("s"))
        assert fills >= 20
        # 10000 - n x 100.4 USDT, n x 0.1 BTC
        assert {each.asset: each.total for each in await reader.balances("s")} == {
            "USDT": Decimal(10000) - fills * Decimal("100.4"),
            "BTC": fills * Decimal("0.1"),
        }
        # the opening and one step for each fill
        assert found.feed_position == fills + 1
        await store.close()
        await database.close()

    cluster = EmbeddedCluster(folder)
    url = cluster.start()
    run_apart(until_the_kill(url, running(cluster)))
    cluster.stop()
    with EmbeddedCluster(folder) as again:
        run_apart(afterwards(again))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="a moved folder is found by /proc")
@pytest.mark.parametrize(
    "becomes", ["moved", *(pytest.param(each, marks=pytest.mark.slow) for each in ("removed", "emptied", "another's"))]
)
def test_a_server_whose_folder_was_moved_or_removed_is_ended_all_the_same(folder: Path, becomes: str) -> None:
    cluster = EmbeddedCluster(folder, durable=False)
    cluster.start()
    pid = running(cluster)
    if becomes == "removed":
        while folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
    elif becomes == "emptied":
        while cluster.cluster.exists():
            shutil.rmtree(cluster.cluster, ignore_errors=True)
    else:
        folder.rename(folder.with_name("elsewhere"))
    other = EmbeddedCluster(folder, durable=False)
    if becomes == "another's":
        other.start()
    with pytest.raises(StorageError, match="was moved or removed while its database was in use"):
        cluster.revive()
    cluster.stop()
    # It is told to end at once; how soon it has, depends on what else is done here.
    eventually(lambda: _is_over(pid), "the server's end", 10)
    if becomes == "moved":
        with EmbeddedCluster(folder.with_name("elsewhere"), durable=False) as url:
            assert run_apart(ask(url, "SELECT 1")) == 1
    if becomes == "another's":
        assert running(other)
        other.stop()
