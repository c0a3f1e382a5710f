"""How models have done, counted over stored votes and outcomes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.storage.mind_steps import HOUR_NS, outcome, vote
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.storage.database import Database
from triplegain.storage.errors import SessionNotFoundError
from triplegain.storage.leaderboard import HorizonFigures, read_leaderboard
from triplegain.storage.session_store import SessionStore


async def test_every_figure_is_counted_over_what_is_stored(store: SessionStore, database: Database) -> None:
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    for batch in (script.opening(), script.buy()):
        await store.commit("a", batch)
    votes = (
        vote(1, latency_ns=1_000),
        vote(2, latency_ns=2_000),
        vote(3, action="hold", latency_ns=6_000),
        vote(4, action="abstain", failure="timeout", latency_ns=30_000, cost="0"),
        vote(5, action="abstain", failure="timeout", latency_ns=30_000, cost="0"),
        vote(6, action="abstain", failure="", latency_ns=500),
        vote(7, decision=None, latency_ns=90_000),
        vote(8, model="grok", action="abstain", failure="refusal", cost="0"),
    )
    outcomes = (
        outcome(1, 1, "0.0012"),
        outcome(2, 1, "-0.0020"),
        outcome(3, 1, "0"),
        outcome(1, 4, None),
        # Came too late to count: not a figure of the model.
        outcome(7, 1, "0.5"),
    )
    await store.commit("a", replace(script.idle(), votes=votes, outcomes=outcomes))

    gpt, grok = (await read_leaderboard(database, "a")).models
    assert (gpt.model, gpt.asked, gpt.late, gpt.valid, gpt.coverage_percent) == ("gpt", 6, 1, 3, Decimal(50))
    assert gpt.failures == {"timeout": 2, "": 1}
    # LatestSignals, the late one too: (1000 + 2000 + 6000 + 90000) / 4; five of eight calls cost 0.0123.
    assert (gpt.latency_ns, gpt.cost_usd) == (24_750, Decimal("0.0615"))
    after_one, after_four = gpt.horizons
    assert after_one == HorizonFigures(HOUR_NS, 3, 0, 2, 1, Decimal("-0.0008"))
    # -0.0008 over two votes is -4 basis points each.
    assert (after_one.hit_percent, after_one.mean_net_bps) == (Decimal(50), Decimal(-4))
    assert after_four == HorizonFigures(4 * HOUR_NS, 0, 1, 0, 0, Decimal(0))
    assert (after_four.hit_percent, after_four.mean_net_bps) == (None, None)
    assert (grok.asked, grok.valid, grok.latency_ns, grok.horizons) == (1, 0, None, ())
    assert grok.coverage_percent == 0


async def test_a_session_without_votes_has_no_models_and_an_unknown_one_is_told(
    store: SessionStore, database: Database
) -> None:
    await store.create(session_record("a"))
    board = await read_leaderboard(database, "a")
    assert (board.models, board.comparisons) == ((), 0)
    with pytest.raises(SessionNotFoundError):
        await read_leaderboard(database, "b")
