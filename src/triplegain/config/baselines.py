"""The traders without a model that `agents.yaml` can choose besides the EMA cross."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from triplegain.config.values import Count, Fraction, Percent, Positive, Section

_DAY_H = 24


class Trader(StrEnum):
    """Who decides what is opened."""

    AUTO = "auto"
    MODELS = "models"
    EMA = "ema"
    BUY_AND_HOLD = "buy_and_hold"
    EQUAL_WEIGHT = "equal_weight"
    RANDOM = "random"


class BuyAndHold(Section):
    """The equity is divided among the coins once, and nothing is done any more."""

    cash_pct: Annotated[Percent, Field(lt=100)] = Field(
        Decimal(1), description="share of the equity that stays cash: the purchases' fees are paid from it"
    )


class EqualWeight(Section):
    """Cash and every coin have the same share of the equity."""

    band_points: Annotated[Percent, Field(gt=0)] = Field(
        Decimal(5), description="percentage points an asset may stray before it is traded back"
    )


class RandomTrader(Section):
    """Enters and leaves by chance, the same for the same seed and candles: what luck alone earns after costs."""

    seed: Count = Field(1, description="another seed is another run of luck")
    entries_per_day: Positive = Field(Decimal(1), description="of each pair, on average, holding times counted in")
    holding_min_h: Positive = Field(Decimal(4), description="shortest time until it leaves, in hours")
    holding_max_h: Positive = Field(Decimal(24), description="longest, in hours")
    stop_pct: Annotated[Percent, Field(gt=0)] = Field(Decimal(2), description="distance of the stop, in percent")
    confidence: Fraction = Field(Decimal("0.75"), description="confidence of each entry; risk sizes by it")

    @model_validator(mode="after")
    def _there_is_time(self) -> RandomTrader:
        if self.holding_min_h > self.holding_max_h:
            raise ValueError(f"holding_min_h ({self.holding_min_h}) is above holding_max_h ({self.holding_max_h})")
        mean_h = (self.holding_min_h + self.holding_max_h) / 2
        if self.entries_per_day * mean_h >= _DAY_H:
            raise ValueError(
                f"entries_per_day ({self.entries_per_day}) of {mean_h} h on average leave no time between them"
            )
        return self
