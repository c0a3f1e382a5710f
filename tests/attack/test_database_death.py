"""The database is killed under a running session that has orders on their way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.app.database_kills import Told, Toll, Victim, check, prepared, strike, trading
from tests.app.paper_process import PaperHome, eventually

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PaperHome]:
    """With room for many orders a minute."""
    made = prepared(tmp_path)
    yield made
    with EmbeddedCluster(cluster_folder(made.path)):
        pass


def _order(name: str) -> dict[str, str]:
    return {"client_order_id": name, "symbol": "XRP/USDT", "side": "buy", "quantity": "10"}


def test_nothing_has_to_be_started_again_by_hand(home: PaperHome) -> None:
    """Its server, killed under five orders: the session goes on, places again and says how long nobody looked."""
    toll = Toll()
    with trading(home, speed="1") as (running, client), ThreadPoolExecutor(8) as traders:
        names = [f"test-{number}" for number in range(5)]
        flying = [traders.submit(client.post, "/paper/trade", json=_order(name)) for name in names]
        strike(home, Victim.SERVER)
        toll.told = {name: Told(each.result()) for name, each in zip(names, flying, strict=True)}
        later = iter(range(1_000_000))

        def places() -> bool:
            name = f"test-later-{next(later)}"
            toll.told[name] = Told(client.post("/paper/trade", json=_order(name)))
            return toll.told[name].placed.status_code == 201

        eventually(places, "an order after the kill")
        assert running.interrupt().code == 0
    (alert,) = check(home, toll)
    assert "nobody looked at the market" in alert


def test_a_session_that_is_stopped_while_its_database_dies_tells_no_lies(home: PaperHome) -> None:
    """In whatever moment it is caught, orders that were told as not placed are not there at the next start."""
    toll = Toll()
    with trading(home, speed="1") as (running, client), ThreadPoolExecutor(8) as traders:
        names = [f"test-{number}" for number in range(5)]
        flying = [traders.submit(client.post, "/paper/trade", json=_order(name)) for name in names]
        strike(home, Victim.SERVER)
        running.process.send_signal(signal.SIGINT)
        # Exit code 0 where the database was back before the last step.
        assert running.wait(timeout_s=30).code in (0, 5)
        toll.told = {
            name: Told(each.result()) for name, each in zip(names, flying, strict=True) if not each.exception()
        }
    check(home, toll)
    with trading(home, speed="1") as (running, _):
        assert running.interrupt().code == 0
    check(home, toll)
