"""24 hours of three recorded markets around the crash of 2021-05-19, with six scripted models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.session.scripted_models import SIX, ScriptedModels
from tests.session.sessions import settings_for

from triplegain.decision.schedule import TASKS, Task
from triplegain.decision.settings import Cast, MindSettings
from triplegain.domain.clock import from_datetime
from triplegain.domain.market import MarketEvent
from triplegain.domain.records import CommitBatch
from triplegain.feeds.captures.replay import open_replay
from triplegain.risk.limits import RiskLimits
from triplegain.session.settings import SessionSettings
from triplegain.session.trading_session import TradingSession

FOLDER = "binance_ohlcv_1m_three_pairs_2021-05"
HOUR_NS = 3600 * 10**9
FROM_NS = from_datetime(datetime(2021, 5, 18, 18, tzinfo=UTC))
TO_NS = FROM_NS + 24 * HOUR_NS
#: Candles of before: the indicators of the hour need them.
WARM_UP_NS = 40 * HOUR_NS
WITHOUT_REBALANCE = tuple(spec for spec in TASKS if spec.name != Task.REBALANCE)
CAST = Cast(
    technical="qwen",
    regime="qwen",
    social="grok",
    news="gpt",
    decision=SIX,
    conflict="deepseek",
    providers={model: model for model in SIX},
)


def crash_settings(captures: Path, **changes: Any) -> SessionSettings:
    usual = {
        "baseline": None,
        "candle_ns": HOUR_NS,
        "limits": RiskLimits(),
        "mind": MindSettings(tasks=WITHOUT_REBALANCE, cast=CAST),
    }
    return settings_for(open_replay(captures / FOLDER), **(usual | changes))


def crash_events(captures: Path) -> tuple[list[MarketEvent], list[MarketEvent]]:
    """The minutes of before, and those of the day."""
    before: list[MarketEvent] = []
    day: list[MarketEvent] = []
    for event in open_replay(captures / FOLDER).events():
        if FROM_NS - WARM_UP_NS <= event.exchange_time_ns < FROM_NS:
            before.append(event)
        elif FROM_NS <= event.exchange_time_ns <= TO_NS:
            day.append(event)
        elif event.exchange_time_ns > TO_NS:
            break
    return before, day


def warm(session: TradingSession, before: list[MarketEvent]) -> TradingSession:
    """Agents know the market of before; nobody traded then."""
    for event in before:
        session.market_view.on_event(event)
    return session


@dataclass
class Played:
    """Everything a run left behind, in order."""

    session: TradingSession
    models: ScriptedModels
    batches: list[CommitBatch] = field(default_factory=list)

    def all(self, name: str) -> list[Any]:
        return [record for batch in self.batches for record in getattr(batch, name)]


def play(session: TradingSession, events: Iterator[MarketEvent] | list[MarketEvent], models: ScriptedModels) -> Played:
    """A batch after every event that left something, as the runner does it."""
    played = Played(session, models)
    for event in events:
        models.take(session, event)
        if session.must_commit or session.has_waiting:
            played.batches.append(session.take_batch(0, 0))
    return played
