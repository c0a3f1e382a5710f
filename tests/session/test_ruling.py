"""A model's ruling on a conflict is heard, and speaks for no trade that a later decision has taken the place of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.session.crash_day import CAST, WITHOUT_REBALANCE, crash_settings, play, warm
from tests.session.crash_market import crash_events
from tests.session.scripted_models import SIX, ScriptedModels, scripted_answer

from triplegain.agents.regime import RegimeAnswer
from triplegain.decision.rounds import Round
from triplegain.decision.settings import DecisionSettings
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import MarketEvent
from triplegain.llm.reply import ModelAnswer, Usage
from triplegain.session.trading_session import TradingSession

MIND = DecisionSettings(
    tasks=tuple(spec for spec in WITHOUT_REBALANCE if spec.name in ("technical", "regime"))
    + tuple(replace(spec, after=()) for spec in WITHOUT_REBALANCE if spec.name == "decision"),
    assigned=replace(CAST, models={"decision": SIX, "conflict": ("deepseek",)}),
)


@pytest.fixture(scope="module")
def market() -> Any:
    return crash_events()


class Buyers(ScriptedModels):
    """Everybody buys BTC; the ruling on the conflict is `ruling`, after nine seconds."""

    def __init__(self, ruling: str) -> None:
        super().__init__()
        self.ruling = ruling
        self.actions = ["buy"]

    def answer(self, session: TradingSession) -> None:
        for asked in session.rounds.take_undispatched():
            self.asked.append(asked)
            for model in asked.prompts:
                session.deliver(asked.round_id, model, self._said(asked, model))

    def _said(self, asked: Round, model: str) -> ModelAnswer:
        value, seconds = scripted_answer(asked, model), 1
        if asked.kind == "conflict":
            value, seconds = {**value, "resolution": self.ruling, "size_pct": 50}, 9
        elif asked.kind == "decision":
            action = self.actions[-1] if asked.subject == "BTC/USDT" else "hold"
            value = {**value, "action": action, "confidence_pct": 90, "stop_bps": 150, "target_bps": 400}
        return ModelAnswer(value, model, Usage(seconds * SECOND_NS, 1, 1))


def in_conflict(market: Any, models: Buyers) -> tuple[TradingSession, list[MarketEvent]]:
    """A session whose models have decided to buy in a choppy market, and whose conflict is being ruled on."""
    session = warm(TradingSession(crash_settings(decision=MIND)), market[0])
    play(session, market[1][:3], Buyers("proceed"))
    regime(session, "choppy")
    session.decision_engine.request("decision", session.now_ns)
    while not any(each.kind == "conflict" for each in models.asked):
        session.advance_to(session.thinks_at_ns)
        models.answer(session)
    return session, market[1][3:]


def regime(session: TradingSession, word: str) -> None:
    answer = RegimeAnswer(regime=word, confidence_pct=90, reasoning="a test's regime")
    for step in range(2):
        session.decision_engine.signals.regimes.observe("BTC/USDT", answer, session.now_ns + step + 1, True)


@pytest.mark.parametrize(("ruling", "outcome"), [("abort", "refused"), ("wait", "held"), ("proceed", "sent")])
def test_a_ruling_holds_although_the_conflict_has_passed_meanwhile(market: Any, ruling: str, outcome: str) -> None:
    models = Buyers(ruling)
    session, events = in_conflict(market, models)
    regime(session, "trending_bull")
    session.take_batch(0, 0)
    played = play(session, events[:1], models)
    ruled = [each for each in played.all("decisions") if "of_decision" in each.details]
    assert [each.outcome for each in ruled][:1] == [outcome]


def test_a_ruling_on_a_trade_that_was_decided_otherwise_since_then_changes_nothing(market: Any) -> None:
    models = Buyers("proceed")
    session, events = in_conflict(market, models)
    regime(session, "trending_bull")
    models.actions.append("hold")
    session.decision_engine.request("decision", session.now_ns)
    played = play(session, events[:3], models)
    ruled = [each for each in played.all("decisions") if "of_decision" in each.details]
    assert [(each.outcome, each.reasons) for each in ruled] == [("held", ("a later decision has taken its place",))]
    assert not played.all("events")
