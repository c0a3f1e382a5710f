"""What voters may know of the account, from the pictures a decision is taken on."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from triplegain.agents.decision_context import DecisionContext, Held, TradeLimits
from triplegain.decision.cycle import Situation
from triplegain.decision.opinions import Opinions
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.money import divide
from triplegain.domain.records import PositionRecord
from triplegain.risk.engine import RiskEngine

_BPS = 10_000


def decision_context(
    situation: Situation, positions: Sequence[PositionRecord], opinions: Opinions, risk: RiskEngine
) -> DecisionContext:
    """Numbers and closed words only. `positions` are the open ones of the symbol, oldest first."""
    symbol, now_ns, portfolio = situation.symbol, situation.time_ns, situation.portfolio
    held = sum((position.quantity for position in positions), Decimal(0))
    entry = _average_entry(positions, held)
    mark = situation.mark
    unrealised = None if entry is None or mark is None else int(divide(mark - entry, entry) * _BPS)
    free = None
    quote_usd = situation.market.quote_usd
    if portfolio.equity and portfolio.equity > 0 and quote_usd is not None:
        share = int(divide(portfolio.free_quote * quote_usd * 100, portfolio.equity))
        free = max(0, min(100, share))
    return DecisionContext(
        held=Held.LONG if held > 0 else Held.FLAT,
        limits=_trade_limits(situation, risk),
        open_positions=portfolio.open_positions,
        open_in_symbol=portfolio.open_in_symbol,
        may_open=not (situation.paused or portfolio.halted or risk.halted(now_ns)),
        entry=entry,
        unrealised_bps=unrealised,
        held_min=None if not positions else (now_ns - positions[0].opened_at_ns) // (60 * SECOND_NS),
        free_pct=free,
        technical=opinions.technical(symbol, now_ns),
        regime=situation.regime,
        sentiment=opinions.sentiment(symbol.partition("/")[0], now_ns),
        others=opinions.others(symbol, now_ns),
    )


def _average_entry(positions: Sequence[PositionRecord], held: Decimal) -> Decimal | None:
    if held <= 0:
        return None
    cost = sum((position.quantity * position.average_entry for position in positions), Decimal(0))
    return divide(cost, held)


def _trade_limits(situation: Situation, risk: RiskEngine) -> TradeLimits:
    symbol, limits = situation.symbol, risk.limits
    widest = min(limits.stop_max, limits.stop_max_by_symbol.get(symbol, limits.stop_max))
    least = risk.confidence_least(symbol, situation.regime, situation.time_ns)
    return TradeLimits(
        stop_min_bps=int(limits.stop_min * _BPS),
        stop_max_bps=int(widest * _BPS),
        confidence_min_pct=-int(-least * 100 // 1),
        reward_risk_min=limits.reward_risk_min,
        positions_max=limits.positions_max,
        positions_per_symbol_max=limits.positions_per_symbol_max,
        cost_bps=int(situation.round_trip_cost * _BPS),
    )
