"""kill -9 while a baseline is short on margin: position, stop and books go on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.app.paper_process import RESTLESS_RISK, PaperHome
from tests.app.stored_record import ask, database_of
from tests.crash.test_kill import kill_and_go_on

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder

pytestmark = pytest.mark.crash

_KILLS = 4
#: In a market whose regime nobody knows risk allows no short.
_SHORTS = RESTLESS_RISK.replace("max_leverage: 1", "max_leverage: 2") + "regimes: {unknown: {max_leverage: 2}}\n"
_HELD = """
SELECT side::text, count(*) AS number, count(DISTINCT close_reason) AS ways, count(stop) AS stops
FROM paper_positions WHERE session_id = $1 GROUP BY side
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperHome]:
    folder = tmp_path_factory.mktemp("home")
    (folder / "config").mkdir()
    (folder / "config" / "risk.yaml").write_text(_SHORTS)
    (folder / "config" / "execution.yaml").write_text("margin: {enabled: true}\n")
    yield PaperHome(folder / "crashing", {"TRIPLEGAIN_CONFIG_DIR": str(folder / "config")})
    with EmbeddedCluster(cluster_folder(folder / "crashing")):
        pass


def test_killed_while_it_is_short_a_session_goes_on_as_if_nothing_had_happened(
    home: PaperHome, feed: str, uninterrupted: dict[str, Any]
) -> None:
    kill_and_go_on(home, feed, uninterrupted, _KILLS)
    with database_of(home) as url:
        held = {row["side"]: row for row in ask(url, _HELD, uninterrupted["session"])}
    assert held["sell"]["number"] == held["sell"]["stops"] > 5
    assert held["buy"]["number"] > 5
