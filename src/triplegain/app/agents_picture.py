"""The agents of a running session and its coordinator, for the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from triplegain.api.agents_resource import CoordinatorState, DecisionCounts, Mind, Model, Standing, Task
from triplegain.app.models import RESOLVERS
from triplegain.app.trading_state import trading_state
from triplegain.decision.schedule import Tally
from triplegain.decision.settings import Cast
from triplegain.domain.clock import NEVER, SECOND_NS
from triplegain.session.trading_session import TradingSession

_PARTS = ("technical", "regime", "social", "news", "conflict", "rebalance")


def agents(session: TradingSession) -> Mind:
    """As of now."""
    mind = session.mind
    symbols = [instrument.symbol for instrument in session.settings.instruments]
    return Mind(
        level=mind.level.label,
        failing=mind.degradation.reason,
        trader=None if session.trader is None else session.trader.name,
        tasks=list(_tasks(session)),
        models=list(_models(session.settings.mind.cast)),
        markets=[_standing(session, symbol) for symbol in symbols],
    )


def coordinator(session: TradingSession) -> CoordinatorState:
    state, why = trading_state(session)
    decisions = DecisionCounts(**{outcome.value: count for outcome, count in session.decisions.counts.items()})
    return CoordinatorState(state=state, why=why, decisions=decisions)


def _tasks(session: TradingSession) -> Iterator[Task]:
    schedule = session.mind.schedule
    courses, tallies = schedule.state()["tasks"], schedule.tallies
    for name, spec in schedule.specs.items():
        tally, course = tallies.get(name, Tally()), courses.get(name)
        yield Task(
            name=name,
            interval_s=spec.interval_ns // SECOND_NS,
            runs=tally.ran + tally.forced,
            asked_for=tally.forced,
            missed=tally.missed,
            skipped={str(why): count for why, count in tally.skipped.items()},
            next_due=None if course is None else min(int(course["next_ns"]), int(course["asked_ns"] or NEVER)),
            in_progress=course is not None and course["run"] is not None,
        )


def _models(cast: Cast) -> Iterator[Model]:
    """By name, with the parts each plays; those who stand in for each other at conflicts go under one name."""
    played: dict[str, list[str]] = {name: ["decision"] for name in cast.decision}
    for part in _PARTS:
        model: str | None = getattr(cast, part)
        if model is not None:
            played.setdefault(model, []).append(part)
    for name in sorted(played, key=lambda name: (name == RESOLVERS, name)):
        yield Model(name=name, provider=cast.providers.get(name, ""), roles=played[name])


def _standing(session: TradingSession, symbol: str) -> Standing:
    opinions, now_ns = session.mind.opinions, session.now_ns
    technical = opinions.technical(symbol, now_ns)
    sentiment = opinions.sentiment(symbol.partition("/")[0], now_ns)
    numbers: dict[str, Any] | None = None
    if sentiment is not None:
        numbers = {
            "overall_pct": sentiment.overall_pct,
            "confidence_pct": sentiment.confidence_pct,
            "social_pct": sentiment.social_pct,
            "news_pct": sentiment.news_pct,
        }
    return Standing(
        symbol=symbol,
        regime=opinions.regime(symbol).value,
        technical=None if technical is None else technical.model_dump(mode="json"),
        sentiment=numbers,
    )
