"""`risk.yaml`: what the gate before every order allows."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field, field_validator, model_validator

from triplegain.config.frozen_mapping import FrozenMapping
from triplegain.config.values import Fraction, Percent, Positive, Section, SymbolPercents


class StopLoss(Section):
    """Distance of the stop from the entry, in percent of the entry."""

    min_pct: Percent = Field(Decimal("0.5"), description="a nearer stop is refused")
    max_pct: Percent = Field(Decimal(5), description="a wider stop is refused, whatever the pair")
    per_symbol_max_pct: SymbolPercents = Field(
        FrozenMapping({"BTC/USDT": Decimal(3), "XRP/USDT": Decimal(5), "XRP/BTC": Decimal(5)}),
        description="a wider stop is refused for this pair",
    )

    @model_validator(mode="after")
    def _limits_leave_room(self) -> StopLoss:
        if self.min_pct > self.max_pct:
            raise ValueError(f"min_pct {self.min_pct} is above max_pct {self.max_pct}: no stop would be allowed")
        for symbol, limit in self.per_symbol_max_pct.items():
            if not self.min_pct <= limit <= self.max_pct:
                raise ValueError(f"per_symbol_max_pct of {symbol} is outside {self.min_pct} to {self.max_pct}")
        return self


class Risk(Section):
    """Limits on a single trade and on the whole account. Percentages are of equity unless they say otherwise."""

    stop_loss: StopLoss = StopLoss()
    min_reward_risk: Positive = Field(Decimal("1.5"), description="distance to the target over distance to the stop")
    min_confidence: Fraction = Field(Decimal("0.60"), description="a signal below this opens nothing")
    max_position_pct: Percent = Field(Decimal(20), description="largest notional of one trade")
    max_risk_per_trade_pct: Percent = Field(Decimal(2), description="largest loss at the stop, with fees")
    max_exposure_pct: Percent = Field(Decimal(80), description="largest sum of all notionals")
    confidence_multipliers: tuple[tuple[Fraction, Fraction], ...] = Field(
        (
            (Decimal("0.85"), Decimal("1.0")),
            (Decimal("0.75"), Decimal("0.75")),
            (Decimal("0.65"), Decimal("0.50")),
            (Decimal("0.60"), Decimal("0.25")),
        ),
        description="[confidence from, size multiplier], falling; below the last no trade",
    )
    regime_multiplier_unknown: Fraction = Field(Decimal("0.5"), description="size multiplier while no regime is known")

    @field_validator("confidence_multipliers")
    @classmethod
    def _steps_fall(cls, steps: tuple[tuple[Decimal, Decimal], ...]) -> tuple[tuple[Decimal, Decimal], ...]:
        levels = [level for level, _ in steps]
        sizes = [size for _, size in steps]
        if not steps or levels != sorted(set(levels), reverse=True) or sizes != sorted(sizes, reverse=True):
            raise ValueError("the confidences must fall from row to row, and no size may rise")
        return steps
