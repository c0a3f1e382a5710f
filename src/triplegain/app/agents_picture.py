"""The agents of a running session and its coordinator, for the API."""

from __future__ import annotations

from collections.abc import Iterator

from triplegain.agents.decision import DECISION
from triplegain.agents.decision_context import sentiment_numbers
from triplegain.app.models import RESOLVERS
from triplegain.app.trading_state import trading_state
from triplegain.decision.schedule import Tally
from triplegain.decision.settings import Cast
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.views import AgentsView, CoordinatorView, DecisionCounts, Model, Standing, Task
from triplegain.session.trading_session import TradingSession


def agents(session: TradingSession) -> AgentsView:
    """As of now."""
    mind = session.mind
    symbols = [instrument.symbol for instrument in session.settings.instruments]
    return AgentsView(
        level=mind.level.label,
        failing=mind.degradation.reason,
        trader=None if session.trader is None else session.trader.name,
        tasks=tuple(_tasks(session)),
        models=tuple(_models(session.settings.mind.cast)),
        markets=tuple(_standing(session, symbol) for symbol in symbols),
    )


def coordinator(session: TradingSession) -> CoordinatorView:
    state, why = trading_state(session)
    decisions = DecisionCounts(**{outcome.value: count for outcome, count in session.decisions.counts.items()})
    return CoordinatorView(state, why, decisions)


def _tasks(session: TradingSession) -> Iterator[Task]:
    schedule = session.mind.schedule
    tallies = schedule.tallies
    for name, spec in schedule.specs.items():
        tally = tallies.get(name, Tally())
        yield Task(
            name=name,
            interval_s=spec.interval_ns // SECOND_NS,
            runs=tally.ran + tally.forced,
            asked_for=tally.forced,
            missed=tally.missed,
            skipped={str(why): count for why, count in tally.skipped.items()},
            next_due_ns=schedule.due_ns(name),
            in_progress=schedule.is_running(name),
        )


def _models(cast: Cast) -> Iterator[Model]:
    """By name, with the parts each plays; those who stand in for each other at conflicts go under one name."""
    played: dict[str, list[str]] = {name: [DECISION.name] for name in cast.voters}
    for agent, models in cast.models.items():
        for model in models if agent != DECISION.name else ():
            played.setdefault(model, []).append(agent)
    for name in sorted(played, key=lambda name: (name == RESOLVERS, name)):
        yield Model(name, cast.providers.get(name, ""), tuple(played[name]))


def _standing(session: TradingSession, symbol: str) -> Standing:
    opinions, now_ns = session.mind.opinions, session.now_ns
    technical = opinions.technical(symbol, now_ns)
    sentiment = opinions.sentiment(symbol.partition("/")[0], now_ns)
    return Standing(
        symbol=symbol,
        regime=opinions.regime(symbol).value,
        technical=None if technical is None else technical.model_dump(mode="json"),
        sentiment=None if sentiment is None else sentiment_numbers(sentiment),
    )
