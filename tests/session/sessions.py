"""Settings of trading sessions on the demo market, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import MarketEvent
from triplegain.exchange.settings import ExchangeSettings
from triplegain.execution.settings import DeskSettings
from triplegain.feeds.demo.demo import DemoMarket
from triplegain.risk.limits import CoolDownKind, RiskLimits
from triplegain.session.settings import SessionSettings
from triplegain.session.trading_session import TradingSession

#: A trader on candles of a second trades more in a minute than the cool-downs would let through in an hour.
WITHOUT_COOLDOWNS = RiskLimits(cooldowns_ns=dict.fromkeys(CoolDownKind, 0))
START_NS = 1_767_225_600 * SECOND_NS


class _Young(DemoMarket):
    """Without candles of before its first price."""

    _past = ()


def demo(seed: int = 3, seconds: int = 100, past: bool = False) -> DemoMarket:
    """`past`: indicators are warm from the first price on, which takes a start as long as some minutes of market."""
    kind = DemoMarket if past else _Young
    return kind(seed, START_NS, duration_ns=seconds * SECOND_NS)


def played(session: TradingSession, events: Iterator[MarketEvent]) -> list[Any]:
    """Play events; fills, ledger entries and decisions in the order they were recorded."""
    recorded: list[Any] = []
    for event in events:
        session.on_event(event)
        if session.must_commit:
            batch = session.take_batch(0, 0)
            recorded += [*batch.events, *batch.entries, *batch.decisions]
    batch = session.take_batch(0, 0)
    return [*recorded, *batch.events, *batch.entries, *batch.decisions]


def settings_for(feed: Any, **changes: Any) -> SessionSettings:
    usual = SessionSettings(
        session_id="test",
        created_at_ns=0,
        instruments={instrument: feed.depth[instrument.symbol] for instrument in feed.instruments},
        source=feed.source,
        initial_balances={"USDT": Decimal(10_000), "BTC": Decimal(0), "XRP": Decimal(0)},
        exchange=ExchangeSettings(jitter_ns=30_000_000),
        desk=DeskSettings(),
        limits=WITHOUT_COOLDOWNS,
        baseline=BaselineSettings(),
        candle_ns=SECOND_NS,
    )
    return replace(usual, **changes)
