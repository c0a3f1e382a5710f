"""Trading sessions on the demo market."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.session.sessions import demo, played, settings_for

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
    return played
