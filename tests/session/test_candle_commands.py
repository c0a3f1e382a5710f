"""What a person asks inside a candle and it cannot be done before that is over is told at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.session.by_hand import by_hand
from tests.session.candle_session import START_NS, CandleFeed, instrument
from tests.session.sessions import settings_for

from triplegain.domain.clock import HOUR_NS, MINUTE_NS, ManualClock
from triplegain.domain.commands import AmendOrder, CancelAll, CancelOrder, PlaceOrder
from triplegain.domain.market import Candle, CandleClosed, MarketEvent, TimePassed
from triplegain.domain.orders import AmendRequest, Limit, OrderRequest, OrderStatus, Side
from triplegain.domain.records import CommitBatch, SecurityEvent
from triplegain.domain.refusals import RefusedError
from triplegain.session.commands import SessionCommands
from triplegain.session.runner import SessionRunner
from triplegain.session.trading_session import TradingSession

AUDIT = SecurityEvent("order_cancel", "trader", "127.0.0.1", "r", 0, {})
WHEN_OVER = "it is carried out when that is over"


class Store:
    async def commit(self, session_id: str, batch: CommitBatch) -> None:
        pass


def candle(hour: int) -> CandleClosed:
    """101 to 99, which reaches nothing at 90."""
    opens = START_NS + hour * HOUR_NS
    bar = Candle("BTC/USDT", opens, HOUR_NS, 1000, 1010, 990, 1000, 10**13)
    return CandleClosed("BTC/USDT", opens + HOUR_NS, opens + HOUR_NS, bar)


class Script:
    """Messages, and what is done between them."""

    def __init__(self, *steps: MarketEvent | Callable[[], Awaitable[None]]) -> None:
        self._steps = iter(steps)

    def __aiter__(self) -> Script:
        return self

    async def __anext__(self) -> list[MarketEvent]:
        for step in self._steps:
            if not callable(step):
                return [step]
            await step()
        raise StopAsyncIteration


async def test_a_cancel_inside_a_candle_is_told_at_once_and_carried_out_at_its_end() -> None:
    session = TradingSession(settings_for(CandleFeed((instrument("BTC/USDT"),)), baseline=None, candle_ns=HOUR_NS))
    orders = session.executor.orders
    said: list[Any] = []

    def named(name: str) -> OrderStatus:
        record = orders.by_client_id(name)
        assert record is not None
        return record.status

    async def placed() -> None:
        for name in ("one", "two", "three"):
            request = OrderRequest(name, "BTC/USDT", Side.BUY, Decimal(1), Limit(Decimal(90)))
            await by_hand(commands, PlaceOrder(request, Decimal(80)), AUDIT)
        await by_hand(commands, CancelOrder("three"), AUDIT)  # at the close nothing is under way
        assert named("three") is OrderStatus.CANCELLED

    async def asked() -> None:
        for command in (CancelOrder("one"), AmendOrder(AmendRequest("two", Decimal(2)))):
            with pytest.raises(RefusedError, match=WHEN_OVER) as caught:
                await by_hand(commands, command, AUDIT)
            said.append(caught.value.code)
        every = await by_hand(commands, CancelAll(), AUDIT)
        said.append((every.cancelled, sorted(every.left)))
        assert named("one") is named("two") is OrderStatus.OPEN

    middle = START_NS + HOUR_NS + 20 * MINUTE_NS
    script = Script(candle(0), placed, TimePassed(middle, middle), asked, candle(1), candle(2))
    runner = SessionRunner(session, script, Store(), ManualClock())
    commands = SessionCommands(runner)
    await runner.run()
    assert said == ["stands", "stands", ((), ["one", "two"])]
    assert (named("one"), named("two")) == (OrderStatus.CANCELLED, OrderStatus.CANCELLED)
