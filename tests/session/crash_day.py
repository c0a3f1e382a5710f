"""Sessions with six scripted models on the 24 hours around a crash."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.session.crash_market import HOUR_NS, crash_feed
from tests.session.scripted_models import SIX, ScriptedModels
from tests.session.sessions import settings_for

from triplegain.agents.registry import AGENTS
from triplegain.decision.settings import DecisionSettings, ModelAssignment
from triplegain.domain.market import MarketEvent
from triplegain.domain.records import CommitBatch
from triplegain.market.snapshot.market_view import MarketView
from triplegain.risk.limits import RiskLimits
from triplegain.session.settings import SessionSettings
from triplegain.session.trading_session import TradingSession

WITHOUT_REBALANCE = tuple(spec for spec in AGENTS.tasks if spec.name != "rebalance")
CAST = ModelAssignment(
    {
        "technical": ("qwen",),
        "regime": ("qwen",),
        "social": ("grok",),
        "news": ("gpt",),
        "decision": SIX,
        "conflict": ("deepseek",),
    },
    providers={model: model for model in SIX},
)


def crash_settings(**changes: Any) -> SessionSettings:
    usual = {
        "baseline": None,
        "candle_ns": HOUR_NS,
        "limits": RiskLimits(),
        "decision": DecisionSettings(tasks=WITHOUT_REBALANCE, assigned=CAST),
    }
    return settings_for(crash_feed(), **(usual | changes))


#: Markets that know what was before, by the events and all that a view is made of.
_WARMED: dict[tuple[Any, ...], MarketView] = {}


def warm(session: TradingSession, before: tuple[MarketEvent, ...]) -> TradingSession:
    """Agents know the market of before; nobody traded then."""
    of = session.settings
    key = (id(before), tuple(of.instruments), of.snapshot, of.indicators, of.source)
    if key not in _WARMED:
        view = deepcopy(session.market_view)
        for event in before:
            view.on_event(event)
        _WARMED[key] = view
    session.market_view.take_over(deepcopy(_WARMED[key]))
    return session


@dataclass
class Played:
    """Everything a run left behind, in order."""

    session: TradingSession
    models: ScriptedModels
    batches: list[CommitBatch] = field(default_factory=list)

    def all(self, name: str) -> list[Any]:
        return [record for batch in self.batches for record in getattr(batch, name)]


def play(session: TradingSession, events: Iterable[MarketEvent], models: ScriptedModels) -> Played:
    """A batch after every event that left something, as the runner does it."""
    played = Played(session, models)
    for event in events:
        models.take(session, event)
        if session.must_commit or session.record.has_waiting:
            played.batches.append(session.take_batch(0, 0))
    return played
