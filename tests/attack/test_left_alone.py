"""A session that nobody looks after: what is old goes by itself while it runs, and what is to stay stays."""

from __future__ import annotations

import json

import pytest
from tests.app.paper_process import PaperHome, eventually
from tests.app.stored_record import ask, check_record, database_of

from triplegain.api.address import running_sessions

pytestmark = pytest.mark.slow

_OLD = "now() - interval '40 days'"
#: Minutes of a session that ended long ago, and what strangers asked then.
_AGE = (
    f"UPDATE paper_portfolio_snapshots SET recorded_at = {_OLD}",
    f"UPDATE paper_position_snapshots SET recorded_at = {_OLD}",
    "INSERT INTO security_events (recorded_at, kind, actor, address, request_id) "
    f"VALUES ({_OLD}, 'auth_failure', 'nobody', '203.0.113.7', '')",
)
_LEFT = """
SELECT (SELECT count(*) FROM paper_portfolio_snapshots WHERE session_id = 'past') AS minutes,
       (SELECT count(*) FROM paper_portfolio_hourly WHERE session_id = 'past') AS hours,
       (SELECT count(*) FROM paper_trades WHERE session_id = 'past') AS fills,
       (SELECT count(*) FROM security_events WHERE address = '203.0.113.7') AS strangers
"""


def test_what_is_old_goes_while_a_session_runs_and_what_was_done_stays(home: PaperHome) -> None:
    past = home.paper("--feed", "demo", "--llm", "none", "--duration", "3m", "--session", "past")
    assert past["fills"] > 0
    assert home.run("session", "end", "past").code == 0
    with home.running("paper", "--feed", "demo", "--llm", "none", "--session", "now") as running:
        eventually(lambda: running.is_over or any(running_sessions(home.path)), "the session")
        with database_of(home) as url:
            for statement in _AGE:
                ask(url, statement)
            assert ask(url, _LEFT)[0]["minutes"] >= 3

            def is_done() -> bool:
                [left] = ask(url, _LEFT)
                return (left["minutes"], left["strangers"]) == (0, 0)

            eventually(lambda: running.is_over or is_done(), "the housekeeping", 100)
            [left] = ask(url, _LEFT)
        assert running.interrupt().code == 0
    assert (left["hours"], left["fills"]) == (1, past["fills"])
    assert json.loads(home.run("report", "past", "--json").stdout)["equity"]["current"]
    assert json.loads(home.run("db", "verify", "--json").stdout)["ok"]
    with database_of(home) as url:
        check_record(url, "past")
