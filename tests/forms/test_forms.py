"""Sessions that earlier programs left are found whole by today's schema, and go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.app.stored_record import ask, check_record
from tests.database_fixtures import MIGRATIONS, run_apart
from tests.forms.stored_forms import load, name_of, stored

from triplegain.storage.migrations import migrate

_L2 = "binance_spot_l2_trades_btcusdt_2024-08"
_MARKET = "SELECT market_time_ns FROM paper_session_state WHERE session_id = $1"
#: What is written once and never changed, in order, as text.
_WRITTEN = {
    "fills": "SELECT t::text FROM paper_trades t WHERE session_id = $1 ORDER BY 1",
    "events": "SELECT t::text FROM paper_order_events t WHERE session_id = $1 ORDER BY 1",
    "entries": "SELECT t::text FROM paper_ledger_entries t WHERE session_id = $1 ORDER BY 1",
}
_OPEN_ORDERS = "SELECT client_order_id FROM paper_orders WHERE session_id = $1 AND NOT is_final(status)"
_OPEN_POSITIONS = "SELECT position_id FROM paper_positions WHERE session_id = $1 AND closed_at_ns IS NULL"
_ORDERS = "SELECT client_order_id FROM paper_orders WHERE session_id = $1"
_POSITIONS = "SELECT position_id FROM paper_positions WHERE session_id = $1"
_STATUSES = "SELECT client_order_id, status::text FROM paper_orders WHERE session_id = $1"
_BOUGHT = "SELECT count(*) FROM paper_orders WHERE session_id = $1 AND side = 'buy'"


def rows(url: str, query: str, session: str) -> set[str]:
    return {str(row[0]) for row in ask(url, query, session)}


def feed_of(url: str, session: str) -> str:
    return str(ask(url, "SELECT feed FROM paper_sessions WHERE session_id = $1", session)[0][0])


@pytest.fixture(params=stored(2), ids=name_of)
def left(request: pytest.FixtureRequest, empty_database_url: str, captures: Path, tmp_path: Path) -> tuple[str, str]:
    """A session of form 2 in a database that was brought up to date: its URL and the session's name."""
    old = tmp_path / "migrations"
    old.mkdir()
    run_apart(load(empty_database_url, 2, request.param, captures, old))
    run_apart(migrate(empty_database_url, MIGRATIONS))
    return empty_database_url, name_of(request.param)


@pytest.fixture
def kraken(captures: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A local Kraken that serves the recording on which the live session was left; what points at it."""
    home = PaperHome(tmp_path / "kraken")
    with home.running("local-kraken", str(captures / _L2), "--json", "--speed", "4") as server:
        said = eventually(lambda: server.said.partition("\n")[0], "the local Kraken")
        environment: dict[str, str] = json.loads(said)["environment"]
        yield environment


def test_all_that_was_stored_adds_up_in_the_schema_of_today(left: tuple[str, str]) -> None:
    check_record(*left)


@pytest.mark.skip(reason="sessions of form 2 are not converted yet")
def test_a_session_goes_on_with_every_order_position_and_balance_it_had(
    left: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url, session = left
    written = {name: rows(url, query, session) for name, query in _WRITTEN.items()}
    orders, positions = rows(url, _OPEN_ORDERS, session), rows(url, _OPEN_POSITIONS, session)
    before_ns, bought = int(ask(url, _MARKET, session)[0][0]), int(ask(url, _BOUGHT, session)[0][0])
    environ: dict[str, Any] = {"TRIPLEGAIN_DATABASE_URL": url}
    speed = ["--speed", "max"]
    if feed_of(url, session) == "live":
        environ |= request.getfixturevalue("kraken")
        speed = []
    home = PaperHome(tmp_path / "home", environ)
    summary = home.run("paper", "--session", session, "--duration", "2m", "--json", *speed).answer
    assert summary["session"] == session
    assert bool(summary["halted"]) is False
    # Nothing that was written has changed, and what was open is still the session's.
    for name, query in _WRITTEN.items():
        assert written[name] <= rows(url, query, session), name
    assert orders <= rows(url, _ORDERS, session)
    assert positions <= rows(url, _POSITIONS, session)
    # Balances are the sums of their entries, holds those of open orders, fills what orders say is filled.
    check_record(url, session)
    assert int(ask(url, _MARKET, session)[0][0]) > before_ns
    if session in ("paused", "halted"):
        assert int(ask(url, _BOUGHT, session)[0][0]) == bought
    if session == "in-flight":
        last = {row[0]: row[1] for row in ask(url, _STATUSES, session)}
        assert (last["sent-1"], last["rest-1"], last["rest-2"]) == ("filled", "cancelled", "open")
    if session == "exit-under-way":
        assert not rows(url, _OPEN_POSITIONS, session)
