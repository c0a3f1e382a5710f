"""The regime analyst: in which condition a market is, from a model or by rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from triplegain.agents.answer import Abstain
from triplegain.agents.prompt_template import filled
from triplegain.agents.schema_text import answer_places
from triplegain.agents.snapshot_figures import figure
from triplegain.agents.spec import AgentSpec, MarketAnalysis, TaskSpec
from triplegain.agents.typed_answer import Percent, Reasoning, TypedAnswer
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.configured import key
from triplegain.domain.proposal import Regime
from triplegain.domain.written import WHOLE_PERCENT, exact
from triplegain.llm.request import Prompt
from triplegain.market.snapshot.glance import MarketSeen
from triplegain.market.snapshot.snapshot import Snapshot

_RSI_MIDDLE = 50


class KnownRegime(StrEnum):
    """The regimes of the domain that can be answered: who does not know abstains."""

    TRENDING_BULL = Regime.TRENDING_BULL.value
    TRENDING_BEAR = Regime.TRENDING_BEAR.value
    RANGING = Regime.RANGING.value
    VOLATILE_BULL = Regime.VOLATILE_BULL.value
    VOLATILE_BEAR = Regime.VOLATILE_BEAR.value
    CHOPPY = Regime.CHOPPY.value
    BREAKOUT_POTENTIAL = Regime.BREAKOUT_POTENTIAL.value


class RegimeAnswer(TypedAnswer):
    """One look at one market."""

    regime: KnownRegime
    confidence_pct: Percent = Field(description="how sure of the regime")
    reasoning: Reasoning

    @property
    def domain_regime(self) -> Regime:
        return Regime(self.regime.value)


@dataclass(frozen=True, slots=True)
class RegimeRules:
    """Trending above `adx_trending`, choppy above `choppiness_choppy`, ranging else."""

    adx_trending: float = key(
        "adx_trending", 25, exact(ge=0, le=100).into(float),
        "trending above this ADX, bull or bear by the RSI's side of 50",
    )  # fmt: skip
    choppiness_choppy: float = key(
        "choppiness_choppy", 60, exact(ge=0, le=100).into(float), "choppy above this choppiness, else ranging"
    )
    confidence_pct: int = key("confidence", "0.40", WHOLE_PERCENT, "confidence of the rules")


def regime_rules(snapshot: MarketSeen, rules: RegimeRules | None = None) -> RegimeAnswer | Abstain:
    """The regime without a model; abstains where a figure it would need is not known."""
    rules = rules or RegimeRules()
    frame = snapshot.primary_frame
    adx, rsi, choppiness = (figure(frame, name) for name in ("adx", "rsi", "choppiness"))
    if adx is None or rsi is None or choppiness is None:
        return Abstain(f"{snapshot.symbol}: the {snapshot.primary} candles do not give ADX, RSI and choppiness yet")
    if adx > rules.adx_trending and rsi != _RSI_MIDDLE:
        regime = KnownRegime.TRENDING_BULL if rsi > _RSI_MIDDLE else KnownRegime.TRENDING_BEAR
    elif choppiness > rules.choppiness_choppy:
        regime = KnownRegime.CHOPPY
    else:
        regime = KnownRegime.RANGING
    reasoning = f"rules on {snapshot.primary}: ADX {adx:.1f}, RSI {rsi:.1f}, choppiness {choppiness:.1f}"
    return RegimeAnswer(regime=regime, confidence_pct=rules.confidence_pct, reasoning=reasoning)


def regime_prompt(snapshot_text: str, snapshot: Snapshot) -> Prompt:
    """The question to a model; `snapshot_text` is a rendering of `snapshot`."""
    system = filled("regime", **answer_places(RegimeAnswer))
    return Prompt(system, f"Instrument {snapshot.symbol}, decided on {snapshot.primary} candles.\n\n{snapshot_text}")


REGIME = AgentSpec(
    name="regime",
    about="the regime of each market; nobody: rules",
    answer=RegimeAnswer,
    work=MarketAnalysis(regime_prompt, regime_rules),
    task=TaskSpec("regime", 300 * SECOND_NS, timeout_ns=30 * SECOND_NS, concurrency=3),
    informs=("decision",),
)
