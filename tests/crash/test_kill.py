"""kill -9 at random points of a replay: nothing acknowledged is missing, invented or doubled.

TRIPLEGAIN_KILLS says how often (default 12).
"""

from __future__ import annotations

import os
import random
import subprocess
from typing import Any

import pytest
from tests.app.paper_process import Finished, PaperHome
from tests.app.stored_record import ask, check_record, database_of

pytestmark = pytest.mark.crash

_KILLS = int(os.environ.get("TRIPLEGAIN_KILLS", "12"))
_SEED = 7
#: When a run is killed, as shares of a whole one. Much of it is the start.
_LIFE = (0.1, 1.0)
_FILLS = """
SELECT fill_number, order_number, symbol, side::text, price, quantity, notional, fee, fee_asset, maker,
       cumulative_quantity, status::text, time_ns, visible_at_ns
FROM paper_trades WHERE session_id = $1 ORDER BY fill_number
"""
_ENTRIES = """
SELECT sequence, ledger_transaction, time_ns, kind::text, account::text, asset, amount, order_number, fill_number
FROM paper_ledger_entries WHERE session_id = $1 ORDER BY sequence
"""
_ORDERS = """
SELECT order_number, symbol, side::text, order_type, status::text, quantity, price, filled_quantity, fees, code,
       submitted_at_ns, updated_at_ns
FROM paper_orders WHERE session_id = $1 ORDER BY order_number
"""
_QUEUES = """
SELECT order_number, point, time_ns, ahead, traded, why
FROM paper_queue_points WHERE session_id = $1 ORDER BY order_number, point
"""
_FOUND = """
SELECT t.feed_position, t.event_sequence, t.fill_number, t.entry_sequence, s.status::text
FROM paper_sessions s JOIN paper_session_state t USING (session_id) WHERE session_id = $1
"""


def killed_or_finished(home: PaperHome, words: tuple[str, ...], life_s: float) -> Finished | None:
    """None if it was killed."""
    with home.running(*words) as running:
        try:
            running.process.wait(life_s)
        except subprocess.TimeoutExpired:
            running.kill()
            return None
        return running.wait()


def stored_so_far(url: str, session: str) -> tuple[Any, ...] | None:
    """How far the session has come; checked to be sound. None if the kill came before it was made."""
    rows = ask(url, _FOUND, session)
    if not rows:
        return None
    check_record(url, session)
    return tuple(rows[0])


def same_end(home: PaperHome, session: str, uninterrupted: dict[str, Any]) -> None:
    """Compared through the report of the store: a kill may have come between the last commit and the summary."""
    with database_of(home) as url:
        check_record(url, session)
        assert ask(url, _FILLS, session) == ask(url, _FILLS, uninterrupted["session"])
        assert ask(url, _ENTRIES, session) == ask(url, _ENTRIES, uninterrupted["session"])
        assert ask(url, _QUEUES, session) == ask(url, _QUEUES, uninterrupted["session"])
        assert ask(url, _ORDERS, session) == ask(url, _ORDERS, uninterrupted["session"])


def test_killed_replays_go_on_as_if_nothing_had_happened(
    home: PaperHome, feed: str, uninterrupted: dict[str, Any], whole_s: float
) -> None:
    chance = random.Random(_SEED)
    kills = sessions = on_the_way = 0
    while kills < _KILLS:
        sessions += 1
        session, position = f"killed-{sessions}", -1
        words = ("paper", "--feed", feed, "--speed", "max", "--json", "--session", session)
        while (finished := killed_or_finished(home, words, whole_s * chance.uniform(*_LIFE))) is None:
            kills += 1
            with database_of(home) as url:
                found = stored_so_far(url, session)
            on_the_way += found is not None and found[0] > position
            assert found is None or found[0] >= position, "the session went back behind what was stored"
            position = found[0] if found else position
        if finished.code:
            # The kill came after the end was stored, before it was told.
            assert finished.code == 2 and finished.error["error_code"] == "session_ended", finished
        else:
            for name in ("fills_sha256", "ledger_sha256", "orders", "fills", "fees", "equity"):
                assert finished.answer[name] == uninterrupted[name], name
        same_end(home, session, uninterrupted)
    assert on_the_way
