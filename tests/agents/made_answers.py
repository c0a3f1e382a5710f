"""Answers and snapshots as the tests of the agents use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from triplegain.agents.answer import Action
from triplegain.agents.decision import VoteAnswer
from triplegain.agents.decision_context import DecisionContext, Held, TradeLimits
from triplegain.agents.sentiment import NewsAnswer, SocialAnswer
from triplegain.domain.market import Candle
from triplegain.domain.quote import QuoteSource
from triplegain.market.snapshot.frame import ClosedFrame, FrameSnapshot, Value
from triplegain.market.snapshot.snapshot import Snapshot, SnapshotPrice

HOUR_NS = 3600 * 10**9
LIMITS = TradeLimits(50, 300, 60, Decimal("1.5"), 5, 2, 80)
KNOWN: Mapping[str, Value] = MappingProxyType(
    {
        "rsi": 65.0, "macd_histogram": 12.0, "adx": 30.0, "choppiness": 45.0, "atr": 50.0, "ema_9": 10_100.0,
        "ema_21": 10_000.0, "ema_50": 9_900.0, "bollinger_lower": 9_800.0, "bollinger_upper": 10_300.0,
    }
)  # fmt: skip


def context(**changes: Any) -> DecisionContext:
    known: dict[str, Any] = {"held": Held.FLAT, "limits": LIMITS, "open_positions": 0, "open_in_symbol": 0}
    return DecisionContext(**{**known, **changes})


def vote(action: Action, confidence_pct: int = 70, **changes: Any) -> VoteAnswer:
    known: dict[str, Any] = {
        "snapshot": "0123456789ab",
        "symbol": "BTC/USDT",
        "action": action.value,
        "confidence_pct": confidence_pct,
        "stop_bps": 200 if action is Action.BUY else None,
        "target_bps": None,
        "size_pct": 100,
        "reasoning": "because",
    }
    return VoteAnswer.model_validate({**known, **changes})


def social(score_pct: int | None, confidence_pct: int = 100, narratives: tuple[str, ...] = ()) -> SocialAnswer:
    return SocialAnswer(score_pct=score_pct, confidence_pct=confidence_pct, narratives=narratives, reasoning="seen")


def news(score_pct: int | None, confidence_pct: int = 100, events: tuple[str, ...] = ()) -> NewsAnswer:
    return NewsAnswer(score_pct=score_pct, confidence_pct=confidence_pct, events=events, reasoning="read")


def snapshot_with(price: int = 10_000, trend: float | None = 1.0, **indicators: Value) -> Snapshot:
    """A snapshot with one timeframe, 1h, whose indicators are `KNOWN` with these changes."""
    candle = Candle("BTC/USDT", 0, HOUR_NS, price, price, price, price, 1)
    values = {**KNOWN, **indicators}
    frame = ClosedFrame("1h", (candle,), values, trend, 300, 0, "", (), {})
    mark = SnapshotPrice(Decimal(price), None, None, Decimal(price), QuoteSource.REPLAY, HOUR_NS)
    frames = {"1h": FrameSnapshot(frame, None, "null")}
    return Snapshot("BTC/USDT", HOUR_NS, mark, "1h", frame, 0.5, None, frames, None, (), "{}", "ab" * 32)


def changed(snapshot: Snapshot, indicator: str, value: Value) -> Snapshot:
    """The same with another value of one indicator of 1h."""
    frame = snapshot.timeframes["1h"]
    closed = replace(frame.closed, indicators={**frame.closed.indicators, indicator: value})
    return replace(snapshot, primary_frame=closed, timeframes={"1h": replace(frame, closed=closed)})
