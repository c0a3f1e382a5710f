"""`snapshot.yaml`: what the agents are shown of a market."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from triplegain.config.frozen_mapping import FrozenMapping
from triplegain.config.values import Percent, Section
from triplegain.market.candles.timeframe import timeframe

TimeframeName = Annotated[str, AfterValidator(lambda name: timeframe(name).name)]
Look = Annotated[int, Field(ge=1, le=1000)]
LookBack = Annotated[
    Mapping[TimeframeName, Look], Field(min_length=1), AfterValidator(FrozenMapping), PlainSerializer(dict)
]


class Snapshot(Section):
    """What the agents are shown of a market."""

    look_back: LookBack = Field(
        FrozenMapping({"1m": 60, "5m": 48, "15m": 32, "1h": 220, "4h": 60, "1d": 60}),
        description="timeframes (1m, 5m, 15m, 30m, 1h, 4h, 12h, 1d, 1w) and how many closed candles of each",
    )
    primary: TimeframeName = Field("1h", description="the timeframe decisions are made on")
    depth_pct: Annotated[tuple[Annotated[Percent, Field(gt=0)], ...], Field(min_length=1)] = Field(
        (Decimal("0.5"), Decimal(1), Decimal(2)),
        description="distances from the middle of the book within which its depth is summed up, in percent",
    )
    token_budget: Annotated[int, Field(ge=500)] = Field(
        8000, description="most tokens of the compact rendering, counted for the model that needs most"
    )
    late_after_s: Annotated[int, Field(ge=0, le=3600)] = Field(
        10, description="a candle that is this late is said to be"
    )
    history_candles: Annotated[int, Field(ge=1440, le=100_000)] = Field(
        2048, description="candles of each timeframe the indicators are computed from, at least (twice as many at most)"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Snapshot:
        if self.primary not in self.look_back:
            raise ValueError(f"primary is {self.primary}, which is not in look_back ({', '.join(self.look_back)})")
        if list(self.depth_pct) != sorted(set(self.depth_pct)):
            raise ValueError("depth_pct must rise")
        return self
