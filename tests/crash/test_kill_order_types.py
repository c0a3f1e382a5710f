"""kill -9 while an order of every type waits, or positions on margin are open: what comes of each is what comes of it
without a kill."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import PaperHome
from tests.app.stored_record import ask, check_record
from tests.database_fixtures import other_database, run_apart
from tests.forms.stored_forms import load

pytestmark = pytest.mark.crash

#: Corpus, session, what must have happened in it, and whether orders of it wait in queues.
_SESSIONS: tuple[tuple[str, str, set[str], bool], ...] = (
    ("form3_orders", "every-type-near", {"stop-loss", "stop-loss-limit", "trailing-stop"}, True),
    ("form3_margin", "on-margin", set(), False),
)
_KILLS = 4
_SEED = 5
#: When a run is killed, as shares of a whole one. Half of it is the start.
_LIFE = (0.5, 0.95)
#: Long enough for triggers of 0.05 % to be reached.
_LENGTH = "30m"
_TOLD = """
SELECT e.sequence, e.kind, e.time_ns, o.client_order_id FROM paper_order_events e
JOIN paper_orders o USING (session_id, order_number)
WHERE session_id = $1 AND e.time_ns <= $2 ORDER BY e.sequence
"""
_FILLS = """
SELECT fill_number, client_order_id, price, quantity, notional, fee, maker, time_ns, explanation::text
FROM paper_trades WHERE session_id = $1 AND time_ns <= $2 ORDER BY fill_number
"""
_ENTRIES = """
SELECT sequence, kind::text, account::text, asset, amount, order_number, fill_number
FROM paper_ledger_entries WHERE session_id = $1 AND time_ns <= $2 ORDER BY sequence
"""
_QUEUES = """
SELECT order_number, point, time_ns, ahead, traded, why
FROM paper_queue_points WHERE session_id = $1 AND time_ns <= $2 ORDER BY order_number, point
"""
_TIME = "SELECT market_time_ns FROM paper_session_state WHERE session_id = $1"


@pytest.fixture
def urls(database_server: str, tmp_path: Path, corpus: str, session: str) -> Iterator[tuple[str, str]]:
    """Two databases with the same session in each, as it was left."""
    names = [f"types{number}_{os.getpid()}" for number in range(2)]
    for name in names:
        ask(database_server, f"CREATE DATABASE {name}")
        (scratch := tmp_path / name).mkdir()
        run_apart(load(other_database(database_server, name), corpus, Path("nowhere"), scratch, only=session))
    first, second = (other_database(database_server, name) for name in names)
    yield first, second
    for name in names:
        ask(database_server, f"DROP DATABASE {name} WITH (FORCE)")


def words(session: str, length: str) -> tuple[str, ...]:
    return "paper", "--session", session, "--duration", length, "--speed", "max", "--llm", "none"


def market_time(url: str, session: str) -> int:
    [row] = ask(url, _TIME, session)
    return int(row["market_time_ns"])


def kill_in_mid_run(home: PaperHome, session: str, life_s: float) -> bool:
    """False where it was over before."""
    with home.running(*words(session, _LENGTH)) as running:
        try:
            running.process.wait(life_s)
        except subprocess.TimeoutExpired:
            running.kill()
            return True
    return False


def record(url: str, session: str, until_ns: int) -> list[Any]:
    check_record(url, session)
    return [ask(url, query, session, until_ns) for query in (_TOLD, _FILLS, _ENTRIES, _QUEUES)]


@pytest.mark.parametrize(("corpus", "session", "must_fire", "queue"), _SESSIONS)
def test_a_kill_changes_nothing_of_what_comes_of_what_was_open(
    urls: tuple[str, str], tmp_path: Path, session: str, must_fire: set[str], queue: bool
) -> None:
    whole, killed = urls
    homes = [PaperHome(tmp_path / name, {"TRIPLEGAIN_DATABASE_URL": url}) for name, url in zip("ab", urls, strict=True)]
    began_ns = market_time(whole, session)
    begun_s = time.monotonic()
    homes[0].run(*words(session, _LENGTH), "--json")
    whole_s = time.monotonic() - begun_s
    chance = random.Random(_SEED)
    kills = 0
    for _ in range(_KILLS):
        kills += kill_in_mid_run(homes[1], session, whole_s * chance.uniform(*_LIFE))
        check_record(killed, session)
    assert kills
    homes[1].run(*words(session, _LENGTH), "--json")
    until_ns = min(market_time(whole, session), market_time(killed, session))
    assert until_ns > began_ns
    told, fills, entries, queues = record(whole, session, until_ns)
    assert record(killed, session, until_ns) == [told, fills, entries, queues]
    fired = {row["client_order_id"] for row in told if row["kind"] == "triggered"}
    assert fired >= must_fire
    assert len(fills) >= 2 and entries
    assert bool(queues) is queue
