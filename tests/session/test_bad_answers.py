"""Whatever a model, a tape or a stored session says: at worst it is an abstention, and the session goes on."""

from __future__ import annotations

from typing import Any

import pytest
from tests.session.crash_day import CAST, WITHOUT_REBALANCE, crash_settings, play, warm
from tests.session.crash_market import crash_events
from tests.session.scripted_models import SIX, ScriptedModels
from tests.session.stored_parts import part, stored, with_part

from triplegain.agents.registry import AGENTS
from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.decision.settings import DecisionSettings, ModelAssignment
from triplegain.domain.clock import SECOND_NS
from triplegain.llm.reply import ModelAnswer, Usage
from triplegain.session.trading_session import TradingSession


@pytest.fixture(scope="module")
def market() -> Any:
    return crash_events()


EARLIER_FORM = ModelAnswer({"verdict": "buy", "confidence": 0.9}, "m-1", Usage(2 * SECOND_NS, 1, 1))


def test_answers_of_an_earlier_form_are_abstentions_in_every_part(market: Any) -> None:
    cast = ModelAssignment(
        {**CAST.models, "rebalance": ("deepseek",)},
        providers=dict.fromkeys(SIX, "one"),
    )
    decision = DecisionSettings(tasks=AGENTS.tasks, assigned=cast)
    settings = crash_settings(decision=decision, rebalance=RebalanceSettings())
    session = warm(TradingSession(settings), market[0])
    played = play(session, market[1][: 3 * 70], ScriptedModels(replies=dict.fromkeys(SIX, EARLIER_FORM)))
    assert {vote.failure for vote in played.all("votes")} == {"invalid"}
    asked = [analysis for analysis in played.all("analyses") if analysis.request_id]
    assert {analysis.task for analysis in asked} == {"technical", "regime", "social", "news", "rebalance"}
    assert all(analysis.abstained for analysis in asked)
    assert not played.all("positions")


def test_a_late_answer_of_an_earlier_form_is_not_put_down(market: Any) -> None:
    late = ModelAnswer(EARLIER_FORM.value, "m-1", Usage(40 * SECOND_NS, 1, 1))
    session = warm(TradingSession(crash_settings()), market[0])
    played = play(session, market[1][: 3 * 5], ScriptedModels(replies={"opus": late}))
    assert {vote.failure for vote in played.all("votes") if vote.model == "opus"} == {"timeout"}


def test_a_model_that_can_read_no_question_costs_the_decision_and_nothing_else(market: Any) -> None:
    cast = ModelAssignment({"decision": ("tiny",)}, providers={"tiny": "local"}, token_budgets={"tiny": 20})
    decision = DecisionSettings(tasks=WITHOUT_REBALANCE, assigned=cast)
    session = warm(TradingSession(crash_settings(decision=decision)), market[0])
    played = play(session, market[1][: 3 * 70], ScriptedModels())
    assert {decision.outcome for decision in played.all("decisions")} == {"abstained"}
    assert any("20 tokens" in reason for decision in played.all("decisions") for reason in decision.reasons)
    assert session.decision_engine.schedule.runs["decision"] == 2
    assert not part(stored(session), "decision.slots")["open"]


def test_a_stored_opinion_of_an_earlier_form_is_no_opinion(market: Any) -> None:
    session = warm(TradingSession(crash_settings()), market[0])
    play(session, market[1][: 3 * 3], ScriptedModels())
    parts = stored(session)
    opinions_then = part(parts, "decision.opinions")
    opinions_then["latest"]["technical"]["BTC/USDT"][1] = {"verdict": "long"}
    session.restore(with_part(parts, "decision.opinions", opinions_then))
    signals = session.decision_engine.signals
    assert signals.technical("BTC/USDT", session.now_ns) is None
    assert signals.technical("XRP/USDT", session.now_ns) is not None
