"""A market and an account in a few lines, the most important ones first: for models that can read no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triplegain.agents.decision_context import DecisionContext
from triplegain.agents.snapshot_figures import distance_bps, figure
from triplegain.domain.money import text
from triplegain.market.snapshot.figures import fixed
from triplegain.market.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from triplegain.market.snapshot.frame import ClosedFrame


def brief_lines(snapshot: Snapshot, context: DecisionContext) -> list[str]:
    """The first line stands for the question; any number of the others may be left out from the end."""
    frame = snapshot.primary_frame
    lines = [
        f"{snapshot.symbol} price {text(snapshot.price.mark)}, position {context.held.value}{_profit(context)}",
        f"{snapshot.primary}: {_primary(snapshot, frame)}",
        _findings(context),
        f"stop {context.limits.stop_min_bps}..{context.limits.stop_max_bps} bps, "
        f"confidence >= {context.limits.confidence_min_pct}, may_open {str(context.may_open).lower()}",
    ]
    if snapshot.day is not None:
        lines.append(f"24h change {fixed(snapshot.day.change_pct, 2)} %")
    trends = [
        f"{name} {fixed(each.closed.trend, 2)}"
        for name, each in snapshot.timeframes.items()
        if each.closed.trend is not None
    ]
    if trends:
        lines.append(f"trend -1..1: {', '.join(trends)}")
    if snapshot.book is not None:
        lines.append(f"spread {fixed(snapshot.book.spread_bps, 1)} bps, imbalance {fixed(snapshot.book.imbalance, 2)}")
    if snapshot.flags:
        lines.append(f"flags: {' '.join(snapshot.flags)}")
    return lines


def _profit(context: DecisionContext) -> str:
    return "" if context.unrealised_bps is None else f" {context.unrealised_bps:+d} bps"


def _primary(snapshot: Snapshot, frame: ClosedFrame | None) -> str:
    """RSI, ADX and choppiness as they are; distances of what has a price in basis points of it."""
    price = snapshot.price.mark
    figures = [(name, _number(figure(frame, name))) for name in ("rsi", "adx", "choppiness")]
    for name in ("ema_9", "ema_21", "ema_50"):
        figures.append((f"{name}_bps", _whole(distance_bps(price, figure(frame, name)))))
    for name in ("macd_histogram", "atr"):
        value = figure(frame, name)
        figures.append((f"{name}_bps", "null" if value is None else fixed(value / float(price) * 10_000, 1)))
    return " ".join(f"{name} {value}" for name, value in figures)


def _findings(context: DecisionContext) -> str:
    parts = [f"regime {context.regime.value}"]
    if context.technical is not None:
        parts.append(f"technical {context.technical.bias.value} {context.technical.confidence_pct}")
    if context.sentiment is not None:
        parts.append(f"sentiment {context.sentiment.overall_pct}")
    return ", ".join(parts)


def _number(value: float | None) -> str:
    return "null" if value is None else fixed(value, 1)


def _whole(value: int | None) -> str:
    return "null" if value is None else str(value)
