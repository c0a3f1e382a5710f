"""What can be seen of a running session: whether it trades, what its agents do and think, how its account stands, and
what risk would say to a trade nobody sends. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from decimal import Decimal, localcontext
from math import prod
from typing import Any

from triplegain.agents.decision import DECISION
from triplegain.app.margin_view import margin
from triplegain.app.models import RESOLVERS
from triplegain.decision.cycle import CycleContext
from triplegain.decision.degradation import Level
from triplegain.decision.schedule import TaskCounters
from triplegain.decision.settings import ModelAssignment
from triplegain.domain.clock import SECOND_NS, iso, to_datetime
from triplegain.domain.money import divide, floor_to
from triplegain.domain.orders import Side
from triplegain.domain.proposal import Intent, Regime, TradeProposal
from triplegain.domain.records import Outcome
from triplegain.domain.refusals import Code, RefusedError
from triplegain.domain.verdict import RiskVerdict
from triplegain.domain.views import (
    AgentsView,
    Breaker,
    CoolDown,
    CoordinatorView,
    DecisionCounts,
    DecisionSummary,
    Halt,
    LastLooks,
    Limits,
    Margin,
    MarketLimits,
    Model,
    OrderStandings,
    RiskState,
    Standing,
    Task,
)
from triplegain.risk.engine import RiskEngine
from triplegain.risk.objections import confidence_least
from triplegain.risk.restrictions import Restrictions, restrictions
from triplegain.risk.sizing import RISK_CONTEXT
from triplegain.risk.state import HaltKind
from triplegain.session.trading_session import TradingSession

_PLACES = 4


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
        models=tuple(_models(session.settings.decision.assigned)),
        markets=tuple(_standing(session, symbol) for symbol in symbols),
    )


def last_looks(session: TradingSession) -> LastLooks:
    return LastLooks(session.decision_engine.analysts.unstored)


def coordinator(session: TradingSession) -> CoordinatorView:
    state, why = trading_state(session)
    return CoordinatorView(state, why, DecisionCounts(**_counts(session)))


def _counts(session: TradingSession) -> dict[str, int]:
    """Decisions by how they ended. A stored session may not know of all the ways there are."""
    return {outcome.value: session.decisions.state.counts.get(outcome, 0) for outcome in Outcome}


def _tasks(session: TradingSession) -> Iterator[Task]:
    schedule = session.decision_engine.schedule
    for name, spec in schedule.specs.items():
        state = schedule.tasks.get(name)
        tally = TaskCounters() if state is None else state.tally
        yield Task(
            name=name,
            interval_s=spec.interval_ns // SECOND_NS,
            runs=tally.ran + tally.forced,
            asked_for=tally.forced,
            missed=tally.missed,
            skipped={str(why): count for why, count in tally.skipped.items()},
            next_due_ns=None if state is None else state.due_ns,
            in_progress=state is not None and state.run is not None,
        )


def _models(assigned: ModelAssignment) -> Iterator[Model]:
    """By name, with the parts each plays; those who stand in for each other at conflicts go under one name."""
    played: dict[str, list[str]] = {name: [DECISION.name] for name in assigned.voters}
    for agent, models in assigned.models.items():
        for model in models if agent != DECISION.name else ():
            played.setdefault(model, []).append(agent)
    for name in sorted(played, key=lambda name: (name == RESOLVERS, name)):
        yield Model(name, assigned.providers.get(name, ""), tuple(played[name]))


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
    engine, assigned = session.decision_engine, session.settings.decision.assigned
    symbols = [instrument.symbol for instrument in session.settings.instruments]
    return DecisionSummary(
        runs=dict(engine.schedule.runs),
        decisions=_counts(session),
        refused_by_risk=session.decisions.state.refused_by_risk,
        opinions=tuple(_opinion(session, symbol) for symbol in symbols),
        risk=_risk(session),
        voters=assigned.voters,
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


def risk_state(session: TradingSession) -> RiskState:
    """As of now: the memory of risk as it is, measured against equity as it is."""
    memory, now_ns = session.risk.memory, session.now_ns
    equity = session.portfolio.equity_usd()
    peak = memory.peak_equity if equity is None or memory.peak_equity is None else max(memory.peak_equity, equity)
    drawdown = _percent(peak, equity)
    looks = [_look(session, instrument.symbol) for instrument in session.settings.instruments]
    with localcontext(RISK_CONTEXT):
        pasts = {look.symbol: restrictions(memory, session.risk.limits, look.symbol, equity, now_ns) for look in looks}
        markets = [_market(session, look, pasts[look.symbol]) for look in looks]
    until_ns = memory.leverage_one_until_ns
    return RiskState(
        session_id=session.settings.session_id,
        market_time_ns=now_ns,
        state=trading_state(session)[0],
        words=tuple(dict.fromkeys(_words(session, equity, pasts))),
        equity=equity,
        peak_equity=peak,
        drawdown_percent=None if drawdown is None else -drawdown,
        day_percent=_percent(memory.day_equity, equity),
        week_percent=_percent(memory.week_equity, equity),
        losses_in_a_row=memory.losses(now_ns, session.risk.limits.streak_memory_ns),
        next_size_halved=memory.halve_next,
        leverage_one_until_ns=until_ns if until_ns > now_ns else None,
        halts=tuple(Halt(each.kind.value, each.until_ns, each.reason) for each in memory.halts_in_force(now_ns)),
        cooldowns=tuple(
            CoolDown(each.kind.value, each.symbol or None, each.until_ns)
            for each in memory.cooldowns
            if each.until_ns > now_ns
        ),
        breakers=tuple(_breakers(session)),
        limits=_limits(session, looks[0], equity),
        markets=tuple(markets),
    )


def order_standings(session: TradingSession) -> OrderStandings:
    """As the exchange has them, which is ahead of what we have been told."""
    working, markets = session.exchange.orders.items(), session.exchange.markets
    return OrderStandings(
        {name: markets[order.request.symbol].order_standing(order) for name, order in working if order.opened_ns}
    )


def judge(
    session: TradingSession, asked: TradeProposal, notional: Decimal | None, regime: Regime | None
) -> RiskVerdict:
    """The verdict of an engine with the same memory that nobody asks again, so that not even a count changes.

    `notional` stands for the quantity. Raises RefusedError for a symbol the session does not watch.
    """
    if asked.symbol not in session.exchange.markets:
        known = ", ".join(session.exchange.markets)
        raise RefusedError(Code.UNKNOWN_SYMBOL, f"{asked.symbol} is not traded in this session, it trades {known}")
    look = _look(session, asked.symbol)
    quantity, near = asked.quantity, look.market.ask if asked.side is Side.BUY else look.market.bid
    price = asked.terms.price or near or look.market.last
    if notional is not None and price:
        quantity = floor_to(divide(notional, price), look.market.instrument.lot)
    leverage = asked.leverage
    if asked.intent is Intent.OPEN and asked.side is Side.SELL:
        leverage = max((leverage, *look.market.short_leverages[:1]))
    proposal = replace(asked, quantity=quantity, entry=price, leverage=leverage, regime=regime or look.regime)
    engine = RiskEngine(session.risk.limits, session.risk.memory)
    return engine.assess(proposal, look.portfolio, look.market, session.now_ns)


def _look(session: TradingSession, symbol: str) -> CycleContext:
    """The pictures of a decision, taken without telling the desk a price: that could set off an exit."""
    regime = session.decision_engine.signals.regime(symbol)
    return session.situation.look(0, session.now_ns, symbol, "", session.paused, session.halted, regime)


def _words(session: TradingSession, equity: Decimal | None, pasts: dict[str, Restrictions]) -> Iterator[str]:
    """Everything that stands against a new trade, then what makes one smaller."""
    memory, now_ns = session.risk.memory, session.now_ns
    if session.halted:
        yield f"the session has halted: {session.halted}"
    if session.paused:
        yield "trading is paused: nothing new is opened"
    if equity is None or equity <= 0:
        yield "equity is unknown or not above zero: nothing new is opened"
    for symbol, past in pasts.items():
        for reason in (*past.halts, *past.cooldowns, *past.rebalance_cooldowns, *past.window, *past.breakers):
            yield reason.words
        if session.risk.memory.market(symbol).spike:
            yield f"the volatility of {symbol} is above its usual: a smaller size"
    losses = memory.losses(now_ns, session.risk.limits.streak_memory_ns)
    added = max((past.confidence_add for past in pasts.values()), default=Decimal(0))
    if losses and added:
        yield f"{losses} losses in a row: {added} more confidence is asked for"
    if memory.halve_next and losses:
        yield "the next opening is of a smaller size after losses in a row"
    if memory.leverage_one_until_ns > now_ns:
        yield f"after a reset: leverage 1 until {to_datetime(memory.leverage_one_until_ns):%Y-%m-%d %H:%M} UTC"


def _breakers(session: TradingSession) -> Iterator[Breaker]:
    memory, limits = session.risk.memory, session.risk.limits.breakers
    rows = (
        (HaltKind.DAILY, limits.daily_loss, memory.day_equity),
        (HaltKind.WEEKLY, limits.weekly_loss, memory.week_equity),
        (HaltKind.DRAWDOWN, limits.drawdown, memory.peak_equity),
    )
    for kind, loss, base in rows:
        acts_at = None if base is None else round(base * (1 - loss), _PLACES)
        yield Breaker(kind.value, loss * 100, base, acts_at)


def _limits(session: TradingSession, look: CycleContext, equity: Decimal | None) -> Limits:
    limits, portfolio = session.risk.limits, look.portfolio

    def of_equity(fraction: Decimal) -> Decimal | None:
        return None if equity is None else round(equity * fraction, _PLACES)

    return Limits(
        position_max_usd=of_equity(limits.size_max),
        loss_at_stop_max_usd=of_equity(limits.loss_max),
        exposure_usd=None if portfolio.exposure is None else round(portfolio.exposure, _PLACES),
        exposure_max_usd=of_equity(limits.exposure_max),
        open_positions=portfolio.open_positions,
        positions_max=limits.positions_max,
        positions_per_symbol_max=limits.positions_per_symbol_max,
        reward_risk_min=limits.reward_risk_min,
    )


def _market(session: TradingSession, look: CycleContext, past: Restrictions) -> MarketLimits:
    limits, symbol = session.risk.limits, look.symbol
    of_regime = limits.regimes[look.regime]
    leverages = [limits.leverage_max, of_regime.leverage_max, look.market.leverage_max, *(m for _, m in past.leverage)]
    return MarketLimits(
        symbol=symbol,
        regime=look.regime.value,
        confidence_min=confidence_least(look.regime, limits, past),
        size_factor=prod((share for _, share in past.size), start=of_regime.size),
        leverage_max=min(leverages),
        stop_min_percent=limits.stop_min * 100,
        stop_max_percent=min(limits.stop_max, limits.stop_max_by_symbol.get(symbol, limits.stop_max)) * 100,
        open_positions=look.portfolio.open_in_symbol,
    )


def _percent(base: Decimal | None, now: Decimal | None) -> Decimal | None:
    """The signed change in percent."""
    return None if not base or now is None else round(divide((now - base) * 100, base), _PLACES)


#: What a running session shows of itself, by the type of the view.
VIEWS: Mapping[type, Callable[[TradingSession], Any]] = {
    RiskState: risk_state,
    Margin: margin,
    OrderStandings: order_standings,
    AgentsView: agents,
    LastLooks: last_looks,
    CoordinatorView: coordinator,
}
