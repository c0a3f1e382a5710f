"""Nothing of a session changes without being said: at each commit its parts read whole are those that are stored."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from tests.session.stored_parts import stored

from triplegain.domain.market import MarketEvent
from triplegain.domain.orders import AmendRequest, Limit, OrderRequest, Side, StopLoss
from triplegain.exchange.settings import AccountTier, ExchangeSettings
from triplegain.feeds.captures.replay import open_replay
from triplegain.session.trading_session import TradingSession

_L2 = "binance_spot_l2_trades_btcusdt_2024-08"
UNLIMITED = ExchangeSettings(jitter_ns=30_000_000, account_tier=AccountTier.UNLIMITED)
RICH = {"USDT": Decimal(10_000_000), "BTC": Decimal(100)}


def place_around(session: TradingSession, symbol: str, orders: int) -> None:
    """Limits on both sides, from the best quotes outwards; every tenth order is a stop far away."""
    market = session.exchange.markets[symbol]
    bid, ask = market.quotes()
    assert bid is not None and ask is not None
    for number in range(orders):
        side, step = (Side.BUY, Side.SELL)[number % 2], number * 2
        price = market.instrument.price(bid - step if side is Side.BUY else ask + step)
        terms: Limit | StopLoss = Limit(price)
        if number % 10 == 9:
            terms = StopLoss(market.instrument.price(bid - 10 * step))
        session.by_hand.place(OrderRequest(f"mine-{number}", symbol, side, Decimal("0.01"), terms))


def check_each_commit(session: TradingSession, events: Iterator[MarketEvent]) -> int:
    """How many commits there were."""
    commits = 0
    for event in events:
        session.on_event(event)
        if session.must_commit:
            commits += 1
            stored(session)
    return commits


def ready(feed: Any, open_session: Any, symbol: str) -> tuple[TradingSession, Iterator[MarketEvent]]:
    """A session whose market has begun, with forty orders on their way."""
    session: TradingSession = open_session(feed, baseline=None, exchange=UNLIMITED, initial_balances=RICH)
    events = feed.events()
    for event in islice(events, 400):
        session.on_event(event)
    place_around(session, symbol, 40)
    return session, events


def test_a_demo_session_with_forty_orders_says_what_changes(market: Any, open_session: Any) -> None:
    session, events = ready(market(seconds=60), open_session, "BTC/USDT")
    assert check_each_commit(session, islice(events, 400)) > 0
    assert len(session.exchange.orders) > 20
    for number in range(20, 30):
        session.by_hand.amend(AmendRequest(f"mine-{number}", Decimal("0.02") if number % 2 else Decimal("0.005")))
    for number in range(30, 36):
        session.by_hand.cancel(f"mine-{number}")
    assert check_each_commit(session, events) > 10
    rows = stored(session)
    kept = [key for part, key in rows if part == "exchange.order"]
    assert len(kept) == len(session.exchange.orders) < 35
    # Forty ended or open, each remembered once where it has ended.
    assert len([key for part, key in rows if part == "exchange.recent"]) == 40 - len(kept)


def test_a_replay_of_an_order_book_with_forty_orders_says_what_changes(captures: Path, open_session: Any) -> None:
    feed = open_replay(captures / _L2)
    session, events = ready(feed, open_session, "BTC/USDT")
    assert check_each_commit(session, islice(events, 8_000)) > 3
