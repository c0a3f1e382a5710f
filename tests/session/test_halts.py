"""While trading is paused or halted nothing new is bought: not for the hodl bag, and not by a rebalance."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.session.by_hand import by_hand
from tests.session.crash_day import crash_settings, play, warm
from tests.session.crash_market import crash_events
from tests.session.scripted_models import ScriptedModels
from tests.session.test_post_trade import transfers, won
from tests.session.test_rebalance_run import RULES
from tests.session.test_thinking_runner import Store

from triplegain.agents.answer import Action, AgentAnswer
from triplegain.agents.rebalance import RebalanceMode
from triplegain.decision.rebalance.plan import RebalanceSettings
from triplegain.domain.clock import ManualClock
from triplegain.domain.commands import Emergency
from triplegain.domain.records import SecurityEvent
from triplegain.execution.hodl.settings import HodlSettings
from triplegain.risk.state import HaltKind, RiskHalt
from triplegain.session.commands import SessionCommands
from triplegain.session.runner import SessionRunner
from triplegain.session.trading_session import TradingSession


@pytest.fixture(scope="module")
def market() -> Any:
    return crash_events()


def halt(session: TradingSession, kind: HaltKind) -> None:
    """As after a breaker: the halt is part of the state of risk, and its look at equity is followed by others."""
    until_ns = None if kind is HaltKind.DRAWDOWN else session.now_ns + 3600 * 10**9
    session.risk._state = replace(session.risk.memory, halts=(RiskHalt(kind, until_ns, "a test's halt"),))
    session.watch.moved(session.now_ns)


@pytest.mark.parametrize("why", ["paused", "daily", "drawdown"])
def test_the_hodl_bag_sets_nothing_aside_and_buys_nothing(market: Any, why: str) -> None:
    session = warm(TradingSession(crash_settings(hodl=HodlSettings())), market[0])
    play(session, market[1][:12], ScriptedModels())
    session.take_batch(0, 0)
    if why == "paused":
        session.paused = True
    else:
        halt(session, HaltKind(why))
    bag, now_ns = session.hodl, session.now_ns
    assert bag is not None
    bag.on_position_closed(won("500", now_ns), now_ns)
    session.post_trade.settle(now_ns)
    assert not transfers(session.take_batch(0, 0))
    assert not any(balance.pending for balance in bag.state.allocation.balances.values())
    session.paused = False
    session.risk._state = replace(session.risk.memory, halts=())
    session.advance_to(now_ns + 60 * 10**9)
    assert transfers(session.take_batch(0, 0))


def resting(session: TradingSession) -> list[str]:
    orders = session.executor.orders.open_orders()
    return [order.request.client_order_id for order in orders if order.request.purpose == "rebalance"]


@pytest.mark.parametrize("why", ["emergency", "daily", pytest.param("drawdown", marks=pytest.mark.slow)])
async def test_orders_of_a_rebalance_that_rest_are_taken_back_and_no_more_are_sent(market: Any, why: str) -> None:
    settings = crash_settings(decision=RULES, rebalance=RebalanceSettings(mode=RebalanceMode.LIMIT_ORDERS))
    session = warm(TradingSession(settings), market[0])
    play(session, market[1][:4], ScriptedModels())
    assert resting(session)
    store = Store()
    if why == "emergency":
        runner = SessionRunner(session, iter(()), store, ManualClock())
        audit = SecurityEvent("admin_override", "admin", "127.0.0.1", "r", 0)
        await by_hand(SessionCommands(runner), Emergency(), audit)
    else:
        halt(session, HaltKind(why))
    # The next minute, and the answer to the cancellation with the first message after it.
    stopping = play(session, market[1][4:8], ScriptedModels())
    assert not resting(session)
    later = play(session, market[1][8 : 5 * 180], ScriptedModels())
    assert not later.all("fills")
    decisions = [*store.all("decisions"), *stopping.all("decisions"), *later.all("decisions")]
    given_up = [each for each in decisions if "given up" in each.reasons[0]]
    assert [(each.agent, each.outcome) for each in given_up] == [("rebalance", "refused")]


def test_a_trade_that_waits_is_given_up_when_trading_halts(market: Any) -> None:
    session = warm(TradingSession(crash_settings()), market[0])
    play(session, market[1][:12], ScriptedModels())
    buy = AgentAnswer(Action.BUY, Decimal("0.8"), "a test's buy", stop_fraction=Decimal("0.015"))
    session.decision_engine.voting.waiting.wait("BTC/USDT", 1, buy, "sentiment", session.now_ns)
    halt(session, HaltKind.DAILY)
    played = play(session, market[1][12:15], ScriptedModels())
    assert not len(session.decision_engine.voting.waiting)
    (given_up,) = [each for each in played.all("decisions") if each.reasons[0].startswith("trading is halted")]
    assert (given_up.symbol, given_up.outcome) == ("BTC/USDT", "held")
