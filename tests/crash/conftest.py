"""A durable home for each module, and what its sessions must end with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import RESTLESS_RISK, PaperHome

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder

_L2 = "binance_spot_l2_trades_btcusdt_2024-08"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperHome]:
    """With room for many orders a minute. A server that was left behind is stopped at the end."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "config").mkdir()
    (folder / "config" / "api.yaml").write_text("limits_per_minute:\n  trade: 100000\n  reads: 100000\n")
    (folder / "config" / "risk.yaml").write_text(RESTLESS_RISK)
    yield PaperHome(folder / "crashing", {"TRIPLEGAIN_CONFIG_DIR": str(folder / "config")})
    with EmbeddedCluster(cluster_folder(folder / "crashing")):
        pass


@pytest.fixture(scope="module")
def feed(captures: Path) -> str:
    """The Binance order book capture: seconds of work, hours of market, dozens of orders."""
    return f"replay:{captures / _L2}"


@pytest.fixture(scope="module")
def uninterrupted(home: PaperHome, feed: str) -> dict[str, Any]:
    """What every session on this feed must end with, whatever was done to it."""
    return home.paper("--feed", feed, "--session", "uninterrupted")


@pytest.fixture(scope="module")
def whole_s(home: PaperHome, feed: str, uninterrupted: dict[str, Any]) -> float:
    """Wall seconds of a whole run here, its start among them: a run that is to be killed has less."""
    begun_s = time.monotonic()
    home.paper("--feed", feed, "--session", "timed")
    return time.monotonic() - begun_s
