"""A session that is taken up with other models than it was left with, and one whose models may not be asked."""

from __future__ import annotations

from typing import Any

import pytest
from tests.session.crash_day import CAST, WITHOUT_REBALANCE, crash_settings, play, warm
from tests.session.crash_market import crash_events
from tests.session.scripted_models import ScriptedModels
from tests.session.stored_parts import part, stored, with_part

from triplegain.decision.schedule import Skip
from triplegain.decision.settings import ANALYSES, DecisionSettings, ModelAssignment
from triplegain.session.trading_session import TradingSession

STOP = 181


@pytest.fixture(scope="module")
def market() -> Any:
    return crash_events()


class Silent(ScriptedModels):
    """Nobody answers: every round stays open until its deadline."""

    def answer(self, session: TradingSession) -> None:
        self.asked += session.rounds.take_undispatched()


@pytest.mark.parametrize(
    "stop_s", [0, 31, 62, 93], ids=["analyses open", "regimes open", "sentiment open", "decisions open"]
)
@pytest.mark.parametrize(
    "decision",
    [
        DecisionSettings(tasks=ANALYSES),
        DecisionSettings(
            tasks=WITHOUT_REBALANCE,
            assigned=ModelAssignment({"decision": ("newcomer",)}, providers={"newcomer": "its"}),
        ),
    ],
    ids=["no model", "another model"],
)
def test_rounds_of_models_that_take_no_part_any_more_run_out(
    market: Any, decision: DecisionSettings, stop_s: int
) -> None:
    first = warm(TradingSession(crash_settings()), market[0])
    models = Silent()
    for event in market[1][:3]:
        models.take(first, event)
    start_ns = first.now_ns
    while first.thinks_at_ns <= start_ns + stop_s * 10**9:
        first.advance_to(first.thinks_at_ns)
        models.answer(first)
    parts = stored(first)
    assert any(name == "decision.round" for name, _ in parts)
    second = warm(TradingSession(crash_settings(decision=decision)), market[0])
    for event in market[1][:3]:
        second.observe(event)
    second.restore(parts)
    played = play(second, market[1][3:60], Silent())
    assert [analysis for analysis in played.all("analyses") if analysis.task == "technical"]
    left = stored(second)
    assert not part(left, "decision.slots")["waiting"]
    if decision.assigned.voters == ():
        assert not any(name == "decision.round" for name, _ in left)
        assert not part(left, "decision.slots")["open"]
        assert not part(left, "decision.engine")["running"]


def test_a_decision_that_is_owed_is_not_made_up_for_by_a_session_that_makes_none(market: Any) -> None:
    session = warm(TradingSession(crash_settings(decision=DecisionSettings(tasks=ANALYSES))), market[0])
    play(session, market[1][:3], ScriptedModels())
    parts = stored(session)
    session.restore(with_part(parts, "decision.engine", part(parts, "decision.engine") | {"owed": ["BTC/USDT"]}))
    played = play(session, market[1][3:30], ScriptedModels())
    assert {analysis.task for analysis in played.all("analyses")} <= {"technical", "regime"}


def test_a_decision_that_is_owed_waits_until_trading_goes_on(market: Any) -> None:
    session = warm(TradingSession(crash_settings()), market[0])
    models = ScriptedModels()
    play(session, market[1][: 5 * 3], models)
    parts = stored(session)
    session.restore(with_part(parts, "decision.engine", part(parts, "decision.engine") | {"owed": ["BTC/USDT"]}))
    session.paused = True
    assert session.may_trade is Skip.PAUSED
    asked = len(models.asked)
    play(session, market[1][15:30], models)
    assert "decision" not in {each.kind for each in models.asked[asked:]}
    session.paused = False
    play(session, market[1][30:45], models)
    assert [each.subject for each in models.asked[asked:] if each.kind == "decision"] == ["BTC/USDT"]


def test_the_models_of_these_tests_decides() -> None:
    assert CAST.voters
