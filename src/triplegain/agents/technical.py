"""The technical analyst: what the indicators say about one market, from a model or by rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from triplegain.agents.answer import Abstain
from triplegain.agents.spec import AgentSpec, MarketAnalysis, Stays, TaskSpec
from triplegain.agents.typed_answer import (
    Percent,
    Reasoning,
    Short,
    SignedPercent,
    TypedAnswer,
    answer_places,
    at_most,
    filled,
    whole,
)
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.written import WHOLE_PERCENT, exact
from triplegain.llm.reply import Prompt
from triplegain.market.snapshot.figures import distance_bps, figure, percent
from triplegain.market.snapshot.snapshot import Glance, Snapshot

_SIGNALS_MAX = 5
#: Of three signs (market/snapshot/frame.py) at least two in the same direction, or one and no other.
_TREND_LEAST = 0.3


class Trend(StrEnum):
    UP = "up"
    DOWN = "down"
    SIDEWAYS = "sideways"


class Bias(StrEnum):
    LONG = "long"
    SHORT = "short"
    NEUTRAL = "neutral"


class TechnicalAnswer(TypedAnswer):
    """What the analyst found. Distances are from the snapshot's price; null is not known."""

    trend: Trend = Field(description="direction of the primary timeframe")
    strength_pct: Percent = Field(description="how strong the trend is")
    alignment_pct: SignedPercent | None = Field(description="-100: all timeframes fall, 100: all rise")
    momentum_pct: SignedPercent = Field(description="-100 falling fast, 100 rising fast")
    support_bps: Annotated[int, whole(0, 9999)] | None = Field(description="how far below the price the support is")
    resistance_bps: Annotated[int, whole(0, 9999)] | None = Field(description="how far above the price resistance is")
    signals: Annotated[tuple[Short, ...], *at_most(_SIGNALS_MAX)] = Field(description="what speaks for the bias")
    bias: Bias
    confidence_pct: Percent = Field(description="how sure of the bias")
    reasoning: Reasoning

    @property
    def lean_pct(self) -> int | None:
        return {Bias.LONG: 100, Bias.SHORT: -100, Bias.NEUTRAL: None}[self.bias]

    @property
    def verdict(self) -> str:
        """Its figures move with every price."""
        return f"{self.trend} {self.bias}"


@dataclass(frozen=True, slots=True)
class TechnicalRules:
    """Long with the RSI above `rsi_long` and a rising MACD histogram, short below `rsi_short` and a falling one."""

    rsi_long: float = key(
        "rsi_long", 60, exact(ge=0, le=100).into(float), "long above this RSI with a MACD histogram above 0"
    )
    rsi_short: float = key(
        "rsi_short", 40, exact(ge=0, le=100).into(float), "short below this RSI with a MACD histogram below 0"
    )
    confidence_pct: int = key("confidence", "0.25", WHOLE_PERCENT, "confidence of the rules")

    def __post_init__(self) -> None:
        if self.rsi_short > self.rsi_long:
            raise AtOddsError(f"rsi_short ({self.rsi_short:g}) must not be above rsi_long ({self.rsi_long:g})")


def technical_rules(snapshot: Glance, rules: TechnicalRules | None = None) -> TechnicalAnswer | Abstain:
    """The analysis without a model; abstains if the primary timeframe does not give the figures it needs."""
    rules = rules or TechnicalRules()
    frame, price = snapshot.primary_frame, snapshot.price.mark
    rsi, histogram, adx = (figure(frame, name) for name in ("rsi", "macd_histogram", "adx"))
    if frame is None or rsi is None or histogram is None or adx is None:
        return Abstain(f"{snapshot.symbol}: the {snapshot.primary} candles do not give RSI, MACD and ADX yet")
    bias = Bias.NEUTRAL
    if rsi > rules.rsi_long and histogram > 0:
        bias = Bias.LONG
    elif rsi < rules.rsi_short and histogram < 0:
        bias = Bias.SHORT
    support = distance_bps(price, figure(frame, "bollinger_lower"))
    resistance = distance_bps(price, figure(frame, "bollinger_upper"))
    side = "above" if histogram > 0 else "below" if histogram < 0 else "at"
    signals = (f"RSI {rsi:.1f}", f"MACD histogram {side} 0")
    return TechnicalAnswer(
        trend=_trend(frame.trend),
        strength_pct=min(100, round(adx)),
        alignment_pct=percent(snapshot.alignment),
        momentum_pct=round((rsi - 50) * 2),
        support_bps=-support if support is not None and support <= 0 else None,
        resistance_bps=resistance if resistance is not None and resistance >= 0 else None,
        signals=signals,
        bias=bias,
        confidence_pct=rules.confidence_pct,
        reasoning=f"rules on {snapshot.primary}: {signals[0]}, {signals[1]}",
    )


def technical_prompt(snapshot_text: str, snapshot: Snapshot) -> Prompt:
    """The question to a model; `snapshot_text` is a rendering of `snapshot`."""
    system = filled("technical", **answer_places(TechnicalAnswer))
    return Prompt(system, f"Instrument {snapshot.symbol}, decided on {snapshot.primary} candles.\n\n{snapshot_text}")


def _trend(value: float | None) -> Trend:
    if value is None or abs(value) < _TREND_LEAST:
        return Trend.SIDEWAYS
    return Trend.UP if value > 0 else Trend.DOWN


TECHNICAL = AgentSpec(
    name="technical",
    about="analysis each minute; nobody: rules",
    answer=TechnicalAnswer,
    work=MarketAnalysis(technical_prompt, technical_rules, Stays.VERDICT),
    task=TaskSpec("technical", 60 * SECOND_NS, timeout_ns=30 * SECOND_NS, concurrency=3),
    informs=("decision",),
)
