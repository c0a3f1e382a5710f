"""A session that rebalances, on recorded minutes: batches through the venue, inventory and no positions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.session.crash_day import crash_settings, play, warm
from tests.session.crash_market import HOUR_NS, crash_events
from tests.session.scripted_models import ScriptedModels
from tests.session.stored_parts import stored

from triplegain.agents.registry import AGENTS
from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.decision.settings import DecisionSettings, ModelAssignment
from triplegain.llm.reply import ModelAnswer, Usage
from triplegain.session.trading_session import TradingSession

HOURS = 9
ONLY = tuple(spec for spec in AGENTS.tasks if spec.name in ("technical", "rebalance"))
RULES = DecisionSettings(
    tasks=tuple(spec for spec in ONLY if not spec.after)
    + tuple(
        type(spec)(spec.name, spec.interval_ns, (), spec.timeout_ns, spec.concurrency) for spec in ONLY if spec.after
    )
)


@pytest.fixture(scope="module")
def market() -> Any:
    before, day = crash_events()
    return before, day[: HOURS * 180]


def opened(market: Any, **changes: Any) -> TradingSession:
    settings = crash_settings(decision=RULES, rebalance=RebalanceSettings(), **changes)
    return warm(TradingSession(settings), market[0])


def test_money_becomes_coins_in_batches_four_hours_apart_and_no_position(market: Any) -> None:
    session = opened(market)
    played = play(session, market[1], ScriptedModels())
    sent = [each for each in played.all("decisions") if each.agent == "rebalance" and each.outcome == "sent"]
    times = sorted({each.time_ns for each in sent})
    # 10 000 USDT, a third each: 6 666 USD to buy, which is split; within nine hours three of six batches are due.
    assert [time_ns - times[0] for time_ns in times] == [0, 4 * HOUR_NS, 8 * HOUR_NS]
    assert {each.symbol for each in sent} == {"BTC/USDT", "XRP/USDT"}
    assert not played.all("positions")
    fills = played.all("fills")
    assert fills
    assert {fill.side.value for fill in fills} == {"buy"}
    spent = sum((fill.notional for fill in fills), Decimal(0))
    assert Decimal(2_500) < spent <= Decimal(3_340)
    # Another check while it is under way starts nothing.
    checks = [each for each in played.all("analyses") if each.task == "rebalance"]
    assert any("under way" in each.reason for each in checks)


def test_a_session_taken_up_between_two_batches_sends_the_rest_once(market: Any) -> None:
    # The second batch is due after four hours.
    day = market[1][: 5 * 180]
    whole = play(opened(market), day, ScriptedModels())
    stop = 2 * 180
    first = opened(market)
    before = play(first, day[:stop], ScriptedModels())
    parts = stored(first)
    second = opened(market)
    for event in day[:stop]:
        second.observe(event)
    second.restore(parts)
    after = play(second, day[stop:], ScriptedModels())
    assert before.all("fills") and after.all("fills")
    assert before.all("fills") + after.all("fills") == whole.all("fills")
    names = [order.request.client_order_id for order in [*before.all("orders"), *after.all("orders")]]
    assert len({fill.client_order_id for fill in whole.all("fills")}) == len(set(names))


def test_a_model_may_put_it_off_and_nothing_else(market: Any) -> None:
    cast = ModelAssignment({"rebalance": ("deepseek",)}, providers={"deepseek": "deepseek"})
    value = {"mode": "defer", "confidence_pct": 70, "reasoning": "later"}
    models = ScriptedModels(replies={"deepseek": ModelAnswer(value, "d-1", Usage(10**9, 1, 1))})
    settings = crash_settings(
        decision=DecisionSettings(tasks=RULES.tasks, assigned=cast), rebalance=RebalanceSettings()
    )
    played = play(warm(TradingSession(settings), market[0]), market[1][: 2 * 180], models)
    assert [each.kind for each in models.asked] == ["rebalance"] * 2
    assert not played.all("fills")
    assert {each.answer.get("mode") for each in played.all("analyses") if each.task == "rebalance"} == {"defer"}


def test_while_trading_is_paused_nothing_is_rebalanced(market: Any) -> None:
    session = opened(market)
    session.paused = True
    played = play(session, market[1][:200], ScriptedModels())
    assert not played.all("fills")
    assert session.decision_engine.schedule.tasks["rebalance"].tally.skipped == {"paused": 2}
