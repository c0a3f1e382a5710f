"""What a running session shows of itself."""

from __future__ import annotations

from tests.session.sessions import demo, settings_for

from triplegain.app.session_views import coordinator, decision_summary
from triplegain.domain.records import Outcome
from triplegain.session.trading_session import TradingSession


def test_decisions_are_counted_by_every_way_they_can_end_whatever_a_stored_session_knows_of() -> None:
    session = TradingSession(settings_for(demo(seconds=5)))
    session.decisions.state.counts.clear()
    assert set(decision_summary(session).decisions) == {outcome.value for outcome in Outcome}
    assert coordinator(session).decisions.abstained == 0
