"""An order without delays is one step, and what it costs does not depend on how many others rest."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from tests.session.by_hand import by_hand

from triplegain.domain.clock import ManualClock
from triplegain.domain.commands import CancelOrder, PlaceOrder
from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import Limit, OrderRequest, OrderStatus, Side
from triplegain.domain.records import CommitBatch, SecurityEvent
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.session.commands import SessionCommands
from triplegain.session.runner import SessionRunner
from triplegain.session.trading_session import TradingSession

AUDIT = SecurityEvent("paper_trade", "admin", "127.0.0.1", "r", 0, {})
AT_ONCE = ExchangeSettings(place_delay_ns=0, cancel_delay_ns=0, response_delay_ns=0, account_tier=AccountTier.UNLIMITED)
MONEY = {"USDT": Decimal(10**8), "BTC": Decimal(0), "XRP": Decimal(0)}


def resting(name: str) -> OrderRequest:
    return OrderRequest(name, "BTC/USDT", Side.BUY, Decimal("0.001"), Limit(Decimal(20_000)))


async def test_an_order_without_delays_is_answered_from_one_step_while_the_market_is_silent(
    open_session: Any, market: Any
) -> None:
    feed = market(seconds=10)
    batches: list[CommitBatch] = []

    class Store:
        async def commit(self, session_id: str, batch: CommitBatch) -> None:
            batches.append(batch)

    class Silent:
        """The market's first 300 messages, and no more until somebody has been answered."""

        async def events(self) -> AsyncIterator[Sequence[MarketEvent]]:
            yield list(islice(feed.events(), 300))
            before = len(batches)
            async with asyncio.timeout(5):
                placed = await by_hand(commands, PlaceOrder(resting("mine")), AUDIT)
                assert (placed.status, len(batches)) == (OrderStatus.OPEN, before + 1)
                cancelled = await by_hand(commands, CancelOrder("mine"), AUDIT)
                assert (cancelled.status, len(batches)) == (OrderStatus.CANCELLED, before + 2)

    session: TradingSession = open_session(feed, baseline=None, exchange=AT_ONCE)
    runner = SessionRunner(session, Silent().events(), Store(), ManualClock())
    commands = SessionCommands(runner)
    await runner.run()
    [step] = [batch for batch in batches if any(event.kind == "accepted" for event in batch.events)]
    assert [event.kind for event in step.events] == ["submitted", "accepted"] and len(step.security_events) == 1


def test_an_order_costs_the_same_beside_ten_and_beside_three_hundred_others(open_session: Any, market: Any) -> None:
    feed = market(seconds=10)
    session: TradingSession = open_session(feed, baseline=None, exchange=AT_ONCE, initial_balances=MONEY)
    for event in islice(feed.events(), 300):
        session.on_event(event)

    def calls(name: str) -> int:
        """Of Python functions, generators that go on among them, until the order is ready to be stored."""
        counted = 0

        def count(frame: Any, event: str, argument: Any) -> None:
            nonlocal counted
            counted += event == "call"

        sys.setprofile(count)
        try:
            session.by_hand.place(resting(name))
            batch = session.take_batch(0, 0)
        finally:
            sys.setprofile(None)
        assert [event.kind for event in batch.events] == ["submitted", "accepted"]
        return counted

    costs = [calls(f"o{number}") for number in range(300)]
    assert abs(costs[299] - costs[10]) <= 5, f"{costs[10]} calls beside 10 orders, {costs[299]} beside 299"
