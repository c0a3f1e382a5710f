"""Equal weight: cash and every coin have the same share of equity, and what strays too far is brought back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.agents.answer import Answer, TargetWeights
from triplegain.agents.baselines.baseline import check_next
from triplegain.domain.configured import key
from triplegain.domain.market import Candle
from triplegain.domain.written import LOSS_PERCENT


@dataclass(frozen=True, slots=True)
class EqualWeightSettings:
    """`band` is how far an asset may stray from its weight, as a share of equity, before it is traded back."""

    band: Decimal = key("band_points", 5, LOSS_PERCENT, "percentage points an asset may stray before it is traded back")


class EqualWeight:
    """One symbol's part. It does not see the holdings: it says the weight and the band, the same after each candle."""

    name = "equal_weight"
    warm_up = 1

    def __init__(self, symbol: str, weight: Decimal, settings: EqualWeightSettings | None = None) -> None:
        self.symbol = symbol
        self.last_close_ns = 0
        self._asset = symbol.partition("/")[0]
        self._weight = weight
        self._band = (settings or EqualWeightSettings()).band

    def on_candle(self, candle: Candle) -> Answer:
        check_next(self.symbol, self.last_close_ns, candle)
        self.last_close_ns = candle.close_time_ns
        return TargetWeights({self._asset: self._weight}, f"{self._asset} has an equal share", self._band)

    def carried_out(self) -> None:
        """Nothing is remembered: the next answer is the same."""

    def state(self) -> dict[str, Any]:
        return {"last_close_ns": str(self.last_close_ns)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.last_close_ns = int(state["last_close_ns"])
