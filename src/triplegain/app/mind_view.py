"""What a session thinks, for whoever looks at it."""

from __future__ import annotations

from triplegain.decision.degradation import Level
from triplegain.domain.clock import iso
from triplegain.domain.views import MindView
from triplegain.session.trading_session import TradingSession


def mind_view(session: TradingSession, warning: str = "") -> MindView:
    """As of now. `warning` is about what models cost."""
    mind, cast = session.mind, session.settings.mind.cast
    symbols = [instrument.symbol for instrument in session.settings.instruments]
    return MindView(
        runs=dict(mind.schedule.runs),
        decisions={outcome.value: count for outcome, count in session.decisions.counts.items()},
        refused_by_risk=session.decisions.refused_by_risk,
        opinions=tuple(_opinion(session, symbol) for symbol in symbols),
        risk=_risk(session),
        voters=cast.voters,
        trader="" if session.trader is None else session.trader.name,
        halted=session.risk.halted(session.now_ns),
        level="" if mind.level is Level.NORMAL else mind.level.label,
        warning=warning,
        waiting=len(mind.voting.waiting),
        hodl={} if session.hodl is None else {a: q for a, q in session.hodl.holdings().items() if q},
    )


def _opinion(session: TradingSession, symbol: str) -> str:
    """One market in one line: what the analysts hold of it now."""
    opinions, now_ns = session.mind.opinions, session.now_ns
    technical = opinions.technical(symbol, now_ns)
    said = "no analysis yet" if technical is None else f"{technical.bias.value} {technical.confidence_pct} %"
    parts = [f"{symbol} {said}", f"regime {opinions.regime(symbol).value.replace('_', ' ')}"]
    sentiment = opinions.sentiment(symbol.partition("/")[0], now_ns)
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
