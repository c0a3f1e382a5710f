"""What cannot be done when it is due is tried again a moment later, not at every nanosecond; nothing else waits."""

from __future__ import annotations

from typing import Any

import pytest
from tests.session.crash_day import crash_settings, play, warm
from tests.session.crash_market import HOUR_NS, crash_events
from tests.session.scripted_models import ScriptedModels
from tests.session.test_rebalance_run import RULES

from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.session.trading_session import TradingSession

SECONDS_AN_HOUR = 3600


@pytest.fixture(scope="module")
def market() -> Any:
    return crash_events()


def thoughts_of(session: TradingSession, most: int) -> list[int]:
    """The moments this session's decision engine runs at. Fails at the first above `most`, so that no test hangs."""
    moments: list[int] = []
    run = session.decision_engine.run

    def counted(now_ns: int) -> None:
        moments.append(now_ns)
        assert len(moments) <= most, "the engine thinks without end"
        run(now_ns)

    session.decision_engine.run = counted  # type: ignore[method-assign]
    return moments


def test_a_batch_that_is_due_while_trading_is_paused_does_not_stop_the_clock(market: Any) -> None:
    settings = crash_settings(decision=RULES, rebalance=RebalanceSettings())
    session = warm(TradingSession(settings), market[0])
    play(session, market[1][:180], ScriptedModels())
    session.paused = True
    # The second of six batches is due four hours after the first, and could be sent for the four after that.
    moments = thoughts_of(session, 6 * SECONDS_AN_HOUR)
    play(session, market[1][180 : 5 * 180], ScriptedModels())
    assert moments == sorted(moments)
    session.paused = False
    played = play(session, market[1][5 * 180 : 5 * 180 + 30], ScriptedModels())
    assert {fill.client_order_id[:8] for fill in played.all("fills")} == {"tg-rb-1-"}


def test_votes_whose_hour_comes_while_no_price_is_known_wait_for_one(market: Any) -> None:
    session = warm(TradingSession(crash_settings()), market[0])
    play(session, market[1][: 61 * 3], ScriptedModels())
    at_ns = session.now_ns
    for symbol in session.exchange.markets:
        session.on_event(FeedStatus(symbol, at_ns, at_ns, FeedState.GAP, "the line is down"))
    moments = thoughts_of(session, 2 * SECONDS_AN_HOUR)
    models = ScriptedModels()
    while session.now_ns < at_ns + HOUR_NS // 4:
        session.advance_to(session.now_ns + 10**9)
        models.answer(session)
    assert moments == sorted(moments)
    # No price came within their five minutes: that is what is put down, once for each of six votes on three markets.
    outcomes = session.take_batch(0, 0).outcomes
    assert [outcome.price for outcome in outcomes] == [None] * 18
