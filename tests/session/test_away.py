"""A live session that was away for hours: they are told, and nobody pretends to have thought about them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.session.crash_day import crash_settings, play, warm
from tests.session.crash_market import HOUR_NS, crash_events
from tests.session.scripted_models import ScriptedModels
from tests.session.stored_parts import Rows, part, stored
from tests.session.test_fewer_models import Silent

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.session.trading_session import TradingSession

MINUTE_NS = 60 * SECOND_NS


@pytest.fixture(scope="module")
def market() -> Any:
    return crash_events()


def away(market: Any, models: ScriptedModels) -> tuple[TradingSession, Rows, int]:
    """A session that was left, with rounds open if nobody answers, and is told of the hours since then."""
    first = warm(TradingSession(crash_settings()), market[0])
    play(first, market[1][:9], models)
    if isinstance(models, Silent):
        first.advance_to(first.thinks_at_ns)
        assert any(name == "decision.round" for name, _ in stored(first))
    parts = stored(first)
    session = warm(TradingSession(crash_settings()), market[0])
    session.restore(parts)
    session.begin_away()
    left_ns = session.now_ns
    for minute in range(1, 8 * 60 + 1):
        told_ns = left_ns + minute * MINUTE_NS
        for symbol in session.exchange.markets:
            session.on_event(FeedStatus(symbol, told_ns, told_ns, FeedState.CATCH_UP, "the trades of the time away"))
    return session, parts, left_ns


def come_back(session: TradingSession) -> None:
    for symbol in session.exchange.markets:
        session.on_event(FeedStatus(symbol, session.now_ns, session.now_ns, FeedState.SYNCED, ""))
    session.advance_to(session.now_ns + 2 * SECOND_NS)


def test_what_was_missed_is_made_up_for_by_one_run_of_each_task(market: Any) -> None:
    session, _, left_ns = away(market, ScriptedModels())
    ran = dict(session.decision_engine.schedule.runs)
    come_back(session)
    for task in ("technical", "regime", "sentiment"):
        assert session.decision_engine.schedule.runs[task] == ran[task] + 1, task
    assert session.decision_engine.schedule.tasks["technical"].tally.missed >= 8 * 60 - 1
    batch = session.take_batch(0, 0)
    assert not [each for each in batch.analyses if each.time_ns < left_ns + 8 * HOUR_NS]
    asked_at = {each.asked_at_ns for each in session.rounds.take_undispatched()}
    assert asked_at
    assert min(asked_at) >= left_ns + 8 * HOUR_NS


def test_rounds_that_were_open_are_over_and_blame_nobody(market: Any) -> None:
    session, parts, _ = away(market, Silent())
    failing = part(parts, "decision.degradation")
    come_back(session)
    assert part(stored(session), "decision.degradation") == failing
    opened = {key for name, key in parts if name == "decision.round"}
    assert not opened & {each.round_id for each in session.rounds.take_undispatched()}


def test_risk_goes_on_looking(market: Any) -> None:
    session, parts, left_ns = away(market, ScriptedModels())
    assert session.decision_engine.is_asleep
    assert part(parts, "session.watch")["looked_ns"] <= left_ns
    assert session.watch._looked_ns > left_ns + 7 * HOUR_NS
