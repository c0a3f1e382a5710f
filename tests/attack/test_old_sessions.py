"""A session that has run for long is started again: from where its market stood, and if that is gone, with words."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.yardstick import timed

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder

pytestmark = pytest.mark.slow

WORDS = "playing the market up to where the session stood"
SESSION = ("--session", "old", "--llm", "none")
#: Of wall time, whatever else runs on the machine.
_OBEYS_S = 15.0


def in_database(home: PaperHome, query: str) -> list[Any]:
    async def run(url: str) -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    with EmbeddedCluster(cluster_folder(home.path)) as url:
        return asyncio.run(run(url))


def _told(home: PaperHome, *more: str) -> str:
    finished = home.run("paper", "--speed", "max", "--duration", "1s", *SESSION, *more)
    assert finished.code == 0, finished.stderr
    return finished.stdout + finished.stderr


def test_it_goes_on_from_where_its_market_stood_and_obeys_where_it_cannot(home: PaperHome, tmp_path: Path) -> None:
    home.paper("--feed", "demo", "--seed", "7", "--duration", "20m", *SESSION)
    [stood] = in_database(home, "SELECT feed_position FROM paper_session_state")
    assert stood["feed_position"] > 50_000
    assert WORDS not in _told(home)
    assert in_database(home, "DELETE FROM paper_feed_marks RETURNING key")
    with home.running("paper", *SESSION) as running:
        eventually(lambda: WORDS in running.said, "a word on what takes so long")
        with timed() as took:
            running.interrupt()
        assert took.seconds < _OBEYS_S
    # Nothing is lost by it: played to where it stood, it has a place again.
    assert WORDS in _told(home)
    assert in_database(home, "SELECT key FROM paper_feed_marks WHERE key = ''")
    assert WORDS not in _told(home)
