"""What a voter knows beside the market: its position, its room, what the analysts found. Numbers and closed words only.

No text of another model goes through here: the words of an analysis stay in the record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any

from triplegain.agents.sentiment import Sentiment
from triplegain.agents.technical import TechnicalAnswer
from triplegain.agents.typed_answer import TypedAnswer
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import text
from triplegain.domain.proposal import Regime
from triplegain.market.snapshot.figures import distance_bps, figure, fixed
from triplegain.market.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from triplegain.market.snapshot.frame import ClosedFrame


class Held(StrEnum):
    FLAT = "flat"
    LONG = "long"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class TradeLimits:
    """What applies to the next trade of this symbol. `cost_bps` is what entering and leaving costs together."""

    stop_min_bps: int
    stop_max_bps: int
    confidence_min_pct: int
    reward_risk_min: Decimal
    positions_max: int
    positions_per_symbol_max: int
    cost_bps: int | None = None


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """One account at the time of the snapshot; None is not known.

    `entry` is the average price in quote per base and `unrealised_bps` its distance to the mark, as profit; `held_min`
    since the first fill. `free_pct` is the free part of equity. `may_open` False: exits only, whatever is voted.
    `others` are fresh answers of further analysts, by name. `may_short`: a sale may open a short here. Raises
    InvalidValueError for numbers that cannot be.
    """

    held: Held
    limits: TradeLimits
    open_positions: int
    open_in_symbol: int
    may_open: bool = True
    entry: Decimal | None = None
    unrealised_bps: int | None = None
    held_min: int | None = None
    free_pct: int | None = None
    technical: TechnicalAnswer | None = None
    regime: Regime = Regime.UNKNOWN
    sentiment: Sentiment | None = None
    others: Mapping[str, TypedAnswer] = field(default_factory=dict)
    may_short: bool = False

    @property
    def has_shorts(self) -> bool:
        return self.may_short or self.held is Held.SHORT

    def __post_init__(self) -> None:
        if self.entry is not None and not (self.entry.is_finite() and self.entry > 0):
            raise InvalidValueError(f"an entry price must be finite and above 0, this is {self.entry}")
        if not (self.limits.reward_risk_min.is_finite() and self.limits.reward_risk_min >= 0):
            raise InvalidValueError("reward_risk_min must be finite and not below 0")
        if self.free_pct is not None and not 0 <= self.free_pct <= 100:
            raise InvalidValueError(f"the free part of equity is a percentage, this is {self.free_pct}")


def context_json(context: DecisionContext) -> str:
    """One line of JSON."""
    limits = context.limits
    shown: dict[str, Any] = {
        "position": context.held.value,
        "entry": None if context.entry is None else text(context.entry),
        "unrealised_bps": context.unrealised_bps,
        "held_min": context.held_min,
        "free_funds_pct": context.free_pct,
        "open_positions": [context.open_positions, limits.positions_max],
        "open_in_symbol": [context.open_in_symbol, limits.positions_per_symbol_max],
        "may_open": context.may_open,
        **({"may_short": context.may_short} if context.has_shorts else {}),
        "limits": {
            "stop_bps": [limits.stop_min_bps, limits.stop_max_bps],
            "confidence_min_pct": limits.confidence_min_pct,
            "reward_risk_min": text(limits.reward_risk_min),
            "round_trip_cost_bps": limits.cost_bps,
        },
        "technical": None if context.technical is None else numbers_of(context.technical),
        "regime": context.regime.value,
        "sentiment": None if context.sentiment is None else asdict(context.sentiment),
        **{name: numbers_of(answer) for name, answer in context.others.items()},
    }
    return json.dumps(shown, separators=(",", ":"))


def numbers_of(answer: TypedAnswer) -> dict[str, Any]:
    """An analysis without its words: numbers, yes and no, and words of closed lists."""
    closed = {name for name, value in answer if value is None or isinstance(value, (int, Enum))}
    return answer.model_dump(mode="json", include=closed)


def brief_lines(snapshot: Snapshot, context: DecisionContext) -> list[str]:
    """The first line stands for the question; any number of the others may be left out from the end."""
    frame = snapshot.primary_frame
    profit = "" if context.unrealised_bps is None else f" {context.unrealised_bps:+d} bps"
    lines = [
        f"{snapshot.symbol} price {text(snapshot.price.mark)}, position {context.held.value}{profit}",
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
