"""The machine's clock is set back within a run: it is said with both times, and the market goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.session.sessions import demo, settings_for
from tests.session.test_thinking_runner import Store

from triplegain.app.machine_clock import MachineClock
from triplegain.domain.clock import SECOND_NS, ManualClock, SteadyClock
from triplegain.llm.client import CircuitBreaker
from triplegain.session.runner import Ending, SessionRunner
from triplegain.session.trading_session import TradingSession

HOUR_NS = 3600 * SECOND_NS
NOON_NS = 1_767_268_800 * SECOND_NS


class Wall:
    """A clock that can be set."""

    def __init__(self, now_ns: int = NOON_NS) -> None:
        self.ns = now_ns

    def now_ns(self) -> int:
        return self.ns


class SetBack(Wall):
    """An hour back at the third look, and it stands there."""

    looks = 0

    def now_ns(self) -> int:
        self.looks += 1
        return self.ns - HOUR_NS * (self.looks > 2)


def test_it_is_said_with_both_times_and_once_more_when_it_has_caught_up() -> None:
    wall, steady, told = Wall(), ManualClock(5), list[str]()
    clock = MachineClock(wall, steady, told.append)

    def passes(seconds: float) -> None:
        wall.ns += int(seconds * SECOND_NS)
        steady.advance_to(steady.now_ns() + int(seconds * SECOND_NS))
        clock.look()

    passes(10)
    wall.ns += HOUR_NS
    passes(1)
    wall.ns -= SECOND_NS // 2
    passes(1)
    assert told == []
    wall.ns -= HOUR_NS
    passes(1)
    assert told == [
        "the machine's clock was set back from 2026-01-01T13:00:12.500000Z to 2026-01-01T12:00:12.500000Z: "
        "market time goes on, times of recording repeat until it has caught up"
    ]
    passes(3599)
    assert len(told) == 1
    passes(1)
    assert told[1:] == ["the machine's clock has caught up with where it had been, at 2026-01-01T13:00:12.500000Z"]


async def test_a_paced_market_goes_on_under_a_clock_that_was_set_back() -> None:
    feed = demo(1, 30)
    runner = SessionRunner(
        TradingSession(settings_for(feed)),
        feed.events(),
        Store(),
        SetBack(),
        steady=SteadyClock(),
        speed=60,
        duration_ns=20 * SECOND_NS,
    )
    async with asyncio.timeout(20):
        assert await runner.run() is Ending.DURATION


@pytest.mark.parametrize("back_ns", [0, HOUR_NS])
def test_a_breaker_of_models_stays_open_no_longer_for_it(back_ns: int) -> None:
    breaker: Any = CircuitBreaker(1, 30 * SECOND_NS)
    breaker.failed(NOON_NS)
    now_ns = NOON_NS - back_ns
    assert breaker.waits_ns(now_ns) == 30 * SECOND_NS
    assert breaker.waits_ns(now_ns + 30 * SECOND_NS) == 0
