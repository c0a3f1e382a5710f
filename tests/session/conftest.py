"""Trading sessions on the demo market."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.session.sessions import demo, settings_for

from triplegain.domain.market import MarketEvent
from triplegain.feeds.demo.demo import DemoMarket
from triplegain.session.trading_session import TradingSession


@pytest.fixture
def market() -> Callable[..., DemoMarket]:
    return demo


@pytest.fixture
def open_session() -> Callable[..., TradingSession]:
    """A fresh session on a feed."""
    return lambda feed, **changes: TradingSession(settings_for(feed, **changes))


@pytest.fixture
def play() -> Callable[[TradingSession, Iterator[MarketEvent]], list[Any]]:
    """Play events; returns fills, ledger entries and decisions in the order they were recorded."""

    def run(session: TradingSession, events: Iterator[MarketEvent]) -> list[Any]:
        recorded: list[Any] = []
        for event in events:
            session.on_event(event)
            if session.must_commit:
                batch = session.take_batch(0, 0)
                recorded += [*batch.events, *batch.entries, *batch.decisions]
        batch = session.take_batch(0, 0)
        return [*recorded, *batch.events, *batch.entries, *batch.decisions]

    return run
