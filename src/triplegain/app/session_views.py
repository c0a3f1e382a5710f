"""Whether a session trades, what its agents do and what it thinks, for whoever looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from triplegain.agents.decision import DECISION
from triplegain.app.models import RESOLVERS
from triplegain.decision.degradation import Level
from triplegain.decision.schedule import TaskCounters
from triplegain.decision.settings import ModelAssignment
from triplegain.domain.clock import SECOND_NS, iso
from triplegain.domain.views import AgentsView, CoordinatorView, DecisionCounts, DecisionSummary, Model, Standing, Task
from triplegain.session.trading_session import TradingSession


def trading_state(session: TradingSession) -> tuple[str, str]:
    """The state in one word, and the reason in words, empty while running. What halts weighs more than a pause."""
    why = session.halted or session.risk.halted(session.now_ns)
    if why:
        return "halted", why
    return ("paused", "paused by hand: nothing new is opened") if session.paused else ("running", "")


def agents(session: TradingSession) -> AgentsView:
    """As of now."""
    engine = session.decision_engine
    symbols = [instrument.symbol for instrument in session.settings.instruments]
    return AgentsView(
        level=engine.level.label,
        failing=engine.degradation.reason,
        trader=None if session.trader is None else session.trader.name,
        tasks=tuple(_tasks(session)),
        models=tuple(_models(session.settings.decision.cast)),
        markets=tuple(_standing(session, symbol) for symbol in symbols),
    )


def coordinator(session: TradingSession) -> CoordinatorView:
    state, why = trading_state(session)
    decisions = DecisionCounts(**{outcome.value: count for outcome, count in session.decisions.state.counts.items()})
    return CoordinatorView(state, why, decisions)


def _tasks(session: TradingSession) -> Iterator[Task]:
    schedule = session.decision_engine.schedule
    tallies = schedule.tallies
    for name, spec in schedule.specs.items():
        tally = tallies.get(name, TaskCounters())
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


def _models(cast: ModelAssignment) -> Iterator[Model]:
    """By name, with the parts each plays; those who stand in for each other at conflicts go under one name."""
    played: dict[str, list[str]] = {name: [DECISION.name] for name in cast.voters}
    for agent, models in cast.models.items():
        for model in models if agent != DECISION.name else ():
            played.setdefault(model, []).append(agent)
    for name in sorted(played, key=lambda name: (name == RESOLVERS, name)):
        yield Model(name, cast.providers.get(name, ""), tuple(played[name]))


def _standing(session: TradingSession, symbol: str) -> Standing:
    signals, now_ns = session.decision_engine.signals, session.now_ns
    technical = signals.technical(symbol, now_ns)
    sentiment = signals.sentiment(symbol.partition("/")[0], now_ns)
    return Standing(
        symbol=symbol,
        regime=signals.regime(symbol).value,
        technical=None if technical is None else technical.model_dump(mode="json"),
        sentiment=None if sentiment is None else asdict(sentiment),
    )


def decision_summary(session: TradingSession, warning: str = "") -> DecisionSummary:
    """As of now. `warning` is about what models cost."""
    engine, cast = session.decision_engine, session.settings.decision.cast
    symbols = [instrument.symbol for instrument in session.settings.instruments]
    return DecisionSummary(
        runs=dict(engine.schedule.runs),
        decisions={outcome.value: count for outcome, count in session.decisions.state.counts.items()},
        refused_by_risk=session.decisions.state.refused_by_risk,
        opinions=tuple(_opinion(session, symbol) for symbol in symbols),
        risk=_risk(session),
        voters=cast.voters,
        trader="" if session.trader is None else session.trader.name,
        halted=session.risk.halted(session.now_ns),
        level="" if engine.level is Level.NORMAL else engine.level.label,
        warning=warning,
        waiting=len(engine.voting.waiting),
        hodl={} if session.hodl is None else {a: q for a, q in session.hodl.holdings().items() if q},
    )


def _opinion(session: TradingSession, symbol: str) -> str:
    """One market in one line: what the analysts hold of it now."""
    signals, now_ns = session.decision_engine.signals, session.now_ns
    technical = signals.technical(symbol, now_ns)
    said = "no analysis yet" if technical is None else f"{technical.bias.value} {technical.confidence_pct} %"
    parts = [f"{symbol} {said}", f"regime {signals.regime(symbol).value.replace('_', ' ')}"]
    sentiment = signals.sentiment(symbol.partition("/")[0], now_ns)
    if sentiment is not None:
        parts.append(f"sentiment {sentiment.overall_pct:+d}")
    return ", ".join(parts)


def _risk(session: TradingSession) -> tuple[str, ...]:
    """Cool-downs in force."""
    memory, now_ns = session.risk.memory, session.now_ns
    return tuple(
        f"cool-down {each.kind.value.replace('_', ' ')}{' ' + each.symbol if each.symbol else ''} "
        f"until {iso(each.until_ns)[11:19]}"
        for each in memory.cooldowns
        if each.until_ns > now_ns
    )
