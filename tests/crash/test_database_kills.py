"""The database dies under a session with orders on their way: it goes on, and its answers agree with the rows."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.app.database_kills import Told, Toll, Victim, check, prepared, standing_still, trading, under_blows
from tests.app.paper_process import PaperHome, eventually

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder
from triplegain.storage.postmaster import read_postmaster

pytestmark = pytest.mark.crash

_KILLS = 20
_SEED = 5
#: A session that cannot wait is slow to go on where the machine is: what counts is that it does by itself.
_SECONDS_MAX = 30.0


def _order(name: str) -> dict[str, str]:
    return {"client_order_id": name, "symbol": "XRP/USDT", "side": "buy", "quantity": "10"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PaperHome]:
    made = prepared(tmp_path)
    yield made
    with EmbeddedCluster(cluster_folder(made.path)):
        pass


def test_every_answer_agrees_with_the_rows_however_often_the_database_dies(home: PaperHome) -> None:
    chance = random.Random(_SEED)
    victims = [Victim.SERVER, Victim.BACKEND, *chance.choices([Victim.SERVER, Victim.BACKEND], k=_KILLS - 2)]
    toll = under_blows(home, victims, _SEED)
    alerts = check(home, toll)
    assert sum(told.count(" to ") for told in alerts) >= victims.count(Victim.SERVER), alerts
    assert all(max(seconds) < _SECONDS_MAX for seconds in toll.seconds.values()), toll.seconds
    assert toll.answers["201"] > _KILLS and toll.answers["200"] > _KILLS, toll.answers


def test_a_database_that_stands_still_is_waited_for(home: PaperHome) -> None:
    toll = Toll()
    with trading(home) as (running, client), ThreadPoolExecutor() as others:
        with standing_still(home):
            flying = others.submit(client.post, "/paper/trade", json=_order("test-before"))
            began_s = time.monotonic()
            eventually(lambda: client.get("/health/ready").status_code == 503, "the session to notice")
            refused = client.post("/paper/trade", json=_order("test-during"))
            assert (refused.status_code, refused.json()["error_code"]) == (503, "database_away")
            assert client.get("/paper/mode").json()["away"]
            assert client.get("/paper/orders", timeout=5).json()["error_code"] == "database_away"
            eventually(lambda: time.monotonic() - began_s > 15 or flying.done(), "fifteen seconds")
            assert not running.is_over
        toll.told = {"test-before": Told(flying.result()), "test-during": Told(refused)}
        assert flying.result().status_code == 201
        eventually(lambda: client.get("/health/ready").status_code == 200, "the session to go on")
        toll.told["test-after"] = Told(client.post("/paper/trade", json=_order("test-after")))
        assert running.interrupt().code == 0
    (alert,) = check(home, toll)
    assert "nobody looked at the market" in alert


def test_ctrl_c_while_it_is_away_ends_in_words_and_loses_nothing(home: PaperHome) -> None:
    with trading(home) as (running, client):
        assert client.post("/paper/trade", json=_order("test-0")).status_code == 201
        data = cluster_folder(home.path) / "data"
        server = read_postmaster(data)
        assert server is not None
        # It cannot be brought back where its data is not there.
        data.rename(data.with_name("elsewhere"))

        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: "The database is away" in running.complained, "words about the database")
        assert client.get("/health/ready").json()["error_code"] == "database_away"
        assert client.get("/health/live").status_code == 200
        refused = client.post("/paper/trade", json=_order("test-1"))
        assert (refused.status_code, refused.json()["error_code"]) == (503, "database_away")
        running.process.send_signal(signal.SIGINT)
        finished = running.wait(timeout_s=10)
        data.with_name("elsewhere").rename(data)
    assert finished.code == 5 and finished.error["error_message"], finished
    with trading(home) as (running, client):
        assert client.get("/paper/orders/test-0").json()["status"] == "filled"
        assert client.get("/paper/orders/test-1").status_code == 404
        assert running.interrupt().code == 0
