"""Which regime holds, symbol by symbol: one look does not change it."""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.agents.answer import Abstain
from triplegain.agents.regime import RegimeAnswer
from triplegain.domain.proposal import Regime


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
        self._held: dict[str, HeldRegime] = {}

    def current(self, symbol: str) -> Regime:
        return self._held[symbol].regime if symbol in self._held else Regime.UNKNOWN

    def confirmed_at_ns(self, symbol: str) -> int:
        """Market time of the last look that gave the current regime; 0 while it is unknown."""
        return self._held[symbol].confirmed_at_ns if symbol in self._held else 0

    def observe(self, symbol: str, answer: RegimeAnswer | Abstain, time_ns: int, by_model: bool) -> Regime:
        """Take one look; `time_ns` is its snapshot's. The regime that holds from here on."""
        if isinstance(answer, Abstain):
            return self.current(symbol)
        held = self._held.setdefault(symbol, HeldRegime())
        if time_ns <= held.looked_at_ns:
            return held.regime
        held.looked_at_ns = time_ns
        if by_model and answer.confidence_pct < self._model_confidence_min_pct:
            held.candidate, held.runs = Regime.UNKNOWN, 0
            return held.regime
        seen = answer.domain_regime
        held.runs = min(held.runs + 1, self._runs_agreeing) if seen is held.candidate else 1
        held.candidate = seen
        if held.runs >= self._runs_agreeing:
            held.regime = seen
        if held.regime is seen:
            held.confirmed_at_ns = time_ns
        return held.regime

    def state(self) -> dict[str, HeldRegime]:
        return self._held

    def restore(self, state: dict[str, HeldRegime]) -> None:
        self._held = state
