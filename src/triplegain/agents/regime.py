"""The regime analyst: in which condition a market is, from a model or by rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from pydantic import Field

from triplegain.agents.answer import Abstain
from triplegain.agents.spec import AgentSpec, MarketAnalysis, Stays, TaskSpec
from triplegain.agents.typed_answer import Percent, Reasoning, TypedAnswer, answer_places, filled
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.configured import key
from triplegain.domain.proposal import Regime
from triplegain.domain.written import WHOLE_PERCENT, exact
from triplegain.llm.reply import Prompt
from triplegain.market.snapshot.figures import figure
from triplegain.market.snapshot.snapshot import Glance, Snapshot

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
    def verdict(self) -> str:
        return str(self.regime)


def lean_of(regime: Regime) -> int | None:
    """The way a regime points; ranging, choppy, about to break out or unknown points nowhere."""
    match regime:
        case Regime.TRENDING_BULL | Regime.VOLATILE_BULL:
            return 100
        case Regime.TRENDING_BEAR | Regime.VOLATILE_BEAR:
            return -100
        case Regime.RANGING | Regime.CHOPPY | Regime.BREAKOUT_POTENTIAL | Regime.UNKNOWN:
            return None
        case _:
            assert_never(regime)


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


def regime_rules(snapshot: Glance, rules: RegimeRules | None = None) -> RegimeAnswer | Abstain:
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
    work=MarketAnalysis(regime_prompt, regime_rules, Stays.EVERYTHING),
    task=TaskSpec("regime", 300 * SECOND_NS, timeout_ns=30 * SECOND_NS, concurrency=3),
    informs=("decision",),
)


@dataclass(slots=True)
class HeldRegime:
    """`candidate` was seen in the last `runs` looks; times are the snapshots'."""

    regime: Regime = Regime.UNKNOWN
    confirmed_at_ns: int = 0
    candidate: Regime = Regime.UNKNOWN
    runs: int = 0
    looked_at_ns: int = -1


class RegimeMemory:
    """A regime begins to hold when `runs_agreeing` looks in a row give it; until the first does, it is unknown.

    A model's look counts only with `model_confidence_min_pct`; with less it breaks the row. An abstention changes
    nothing, and neither does an answer that is older than the last one.
    """

    def __init__(self, runs_agreeing: int = 2, model_confidence_min_pct: int = 70) -> None:
        self._runs_agreeing = runs_agreeing
        self._model_confidence_min_pct = model_confidence_min_pct
        self.held: dict[str, HeldRegime] = {}

    def current(self, symbol: str) -> Regime:
        return self.held[symbol].regime if symbol in self.held else Regime.UNKNOWN

    def confirmed_at_ns(self, symbol: str) -> int:
        """Market time of the last look that gave the current regime; 0 while it is unknown."""
        return self.held[symbol].confirmed_at_ns if symbol in self.held else 0

    def observe(self, symbol: str, answer: RegimeAnswer | Abstain, time_ns: int, by_model: bool) -> Regime:
        """Take one look; `time_ns` is its snapshot's. The regime that holds from here on."""
        if isinstance(answer, Abstain):
            return self.current(symbol)
        held = self.held.setdefault(symbol, HeldRegime())
        if time_ns <= held.looked_at_ns:
            return held.regime
        held.looked_at_ns = time_ns
        if by_model and answer.confidence_pct < self._model_confidence_min_pct:
            held.candidate, held.runs = Regime.UNKNOWN, 0
            return held.regime
        seen = Regime(answer.regime.value)
        held.runs = min(held.runs + 1, self._runs_agreeing) if seen is held.candidate else 1
        held.candidate = seen
        if held.runs >= self._runs_agreeing:
            held.regime = seen
        if held.regime is seen:
            held.confirmed_at_ns = time_ns
        return held.regime
