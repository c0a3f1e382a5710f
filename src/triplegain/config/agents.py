"""`agents.yaml`: who answers, and how each is tuned."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from triplegain.config.values import AtLeastOne, CandleLength, Fraction, Percent, Positive, Section


class CandleLengths(Section):
    """Candle of the baseline by feed, where `--candle` does not say: 1s, 5m, 1h, 1d, or auto."""

    live: CandleLength = Field("1h", description="on the live feed")
    demo: CandleLength = Field("1s", description="on the demo market")
    replay: CandleLength = Field("auto", description="on a capture; auto: the longest that gives at least 200 candles")


class BaselineEma(Section):
    """The EMA cross that trades without any model, and the yardstick for every model."""

    enabled: bool = Field(True, description="false: it takes no part")
    fast: AtLeastOne = Field(9, description="candles of the fast average")
    slow: AtLeastOne = Field(21, description="candles of the slow average")
    confidence: Fraction = Field(Decimal("0.75"), description="confidence of each of its signals")
    atr_period: AtLeastOne = Field(14, description="candles of the average true range")
    stop_atr_multiple: Positive = Field(Decimal(2), description="distance of the stop in ATR")
    stop_min_pct: Annotated[Percent, Field(gt=0)] = Field(
        Decimal("0.5"), description="least distance of the stop, in percent of the entry"
    )
    target_stop_multiple: Positive = Field(Decimal(2), description="distance of the target in distances of the stop")
    candle_length: CandleLengths = CandleLengths()

    @model_validator(mode="after")
    def _fast_is_faster(self) -> BaselineEma:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
        return self


class Agents(Section):
    """One section per agent."""

    baseline_ema: BaselineEma = BaselineEma()
