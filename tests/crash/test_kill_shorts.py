"""kill -9 while a baseline is short on margin: position, stop and books go on as if nothing had happened."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import RESTLESS_RISK, PaperHome
from tests.app.stored_record import ask, database_of
from tests.crash.test_kill import killed_or_finished, same_end, stored_so_far

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder

pytestmark = pytest.mark.crash

_KILLS = 4
_SEED = 11
#: When a run is killed, as shares of a whole one. Half of it is the start.
_LIFE = (0.5, 0.95)
#: Hours of XRP/USDT from 2021-04-04 on: the crash of 05-19 is in them.
_HOURS = 1300
#: In a market whose regime nobody knows risk allows no short.
_RISK = RESTLESS_RISK.replace("max_leverage: 1", "max_leverage: 2") + "regimes: {unknown: {max_leverage: 2}}\n"
_SHORTS = "SELECT count(*) AS number, count(stop) AS stops FROM paper_positions WHERE session_id = $1 AND side = 'sell'"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperHome]:
    folder = tmp_path_factory.mktemp("home")
    (folder / "config").mkdir()
    (folder / "config" / "risk.yaml").write_text(_RISK)
    (folder / "config" / "execution.yaml").write_text("margin: {enabled: true}\n")
    yield PaperHome(folder / "crashing", {"TRIPLEGAIN_CONFIG_DIR": str(folder / "config")})
    with EmbeddedCluster(cluster_folder(folder / "crashing")):
        pass


@pytest.fixture(scope="module")
def feed(captures: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    name, folder = "XRPUSDT_1h.csv", tmp_path_factory.mktemp("hours")
    with (captures / "binance_ohlcv_1h_2021_2023" / name).open(encoding="utf-8") as whole:
        (folder / name).write_text("".join(islice(whole, _HOURS + 1)), encoding="utf-8")
    return f"replay:{folder}"


def test_killed_while_it_is_short_a_session_goes_on_as_if_nothing_had_happened(
    home: PaperHome, feed: str, uninterrupted: dict[str, Any], whole_s: float
) -> None:
    chance, session, kills = random.Random(_SEED), "killed", 0
    words = ("paper", "--feed", feed, "--speed", "max", "--json", "--session", session)
    while kills < _KILLS and killed_or_finished(home, words, whole_s * chance.uniform(*_LIFE)) is None:
        kills += 1
        with database_of(home) as url:
            stored_so_far(url, session)
    # The rest of it, or a refusal: it is over already.
    home.run(*words)
    assert kills
    same_end(home, session, uninterrupted)
    with database_of(home) as url:
        [shorts] = ask(url, _SHORTS, session)
    assert shorts["number"] == shorts["stops"] > 2
