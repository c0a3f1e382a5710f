"""While trading is paused or halted nothing new is bought: not for the hodl bag, and not by a rebalance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.coordinator.crash_day import crash_events, crash_settings, play, warm
from tests.coordinator.scripted_models import ScriptedModels
from tests.coordinator.test_aftermath import transfers, won

from triplegain.coordinator.trading_session import TradingSession
from triplegain.execution.hodl_bag.settings import HodlSettings
from triplegain.risk.state import Halt, HaltKind


@pytest.fixture(scope="module")
def market(captures: Path) -> tuple[list[Any], list[Any]]:
    return crash_events(captures)


def halt(session: TradingSession, kind: HaltKind) -> None:
    """As after a breaker: the halt is part of the state of risk."""
    until_ns = None if kind is HaltKind.DRAWDOWN else session.now_ns + 3600 * 10**9
    session.risk._state = replace(session.risk.memory, halts=(Halt(kind, until_ns, "a test's halt"),))


@pytest.mark.parametrize("why", ["paused", "daily", "drawdown"])
def test_the_hodl_bag_sets_nothing_aside_and_buys_nothing(captures: Path, market: Any, why: str) -> None:
    session = warm(TradingSession(crash_settings(captures, hodl=HodlSettings())), market[0])
    play(session, market[1][:12], ScriptedModels())
    session.take_batch(0, 0)
    if why == "paused":
        session.paused = True
    else:
        halt(session, HaltKind(why))
    bag, now_ns = session.hodl, session.now_ns
    assert bag is not None
    bag.on_position_closed(won("500", now_ns), now_ns)
    session.aftermath.settle(now_ns)
    assert not transfers(session.take_batch(0, 0))
    assert not any(bag.pending.values())
    session.paused = False
    session.risk._state = replace(session.risk.memory, halts=())
    session.advance_to(now_ns + 60 * 10**9)
    assert transfers(session.take_batch(0, 0))
