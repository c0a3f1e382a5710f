"""`risk.yaml`: what stands between a wish and an order. `docs/risk.md` explains every rule."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from triplegain.config.frozen_mapping import FrozenMapping
from triplegain.config.risk_tables import (
    Correlations,
    DrawdownSteps,
    LeverageSteps,
    LongLosingStreak,
    LosingStreak,
    Regimes,
    SizeSteps,
    Strictnesses,
    Volatility,
)
from triplegain.config.values import AtLeastOne, Count, Exact, Fraction, Percent, Positive, Section, SymbolPercents

_HOURS = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _hours(raw: str) -> str:
    hours = raw.replace(" ", "")
    if not _HOURS.fullmatch(hours) or hours[:5] == hours[6:]:
        raise ValueError(f"hours read 22:00-06:30, this is {raw!r}")
    return hours


def _weekday(raw: str) -> str:
    day = raw.strip().casefold()[:3]
    if day not in _WEEKDAYS:
        raise ValueError(f"a weekday is one of {', '.join(_WEEKDAYS)}, this is {raw!r}")
    return day


Hours = Annotated[str, AfterValidator(_hours)]
Weekday = Annotated[str, AfterValidator(_weekday)]
LossPercent = Annotated[Percent, Field(gt=0)]


class StopLoss(Section):
    """Distance of the stop from the entry, in percent of the entry."""

    min_pct: Percent = Field(Decimal("0.5"), description="a nearer stop is refused")
    max_pct: Percent = Field(Decimal(5), description="a wider stop is refused, whatever the pair")
    per_symbol_max_pct: SymbolPercents = Field(
        FrozenMapping({"BTC/USDT": Decimal(3), "XRP/USDT": Decimal(5), "XRP/BTC": Decimal(5)}),
        description="a wider stop is refused for this pair",
    )
    slippage_pct: Annotated[Exact, Field(ge=0, lt=100)] = Field(
        Decimal("0.1"), description="what a stop is reckoned to lose beyond its trigger, in percent of it"
    )

    @model_validator(mode="after")
    def _limits_leave_room(self) -> StopLoss:
        if self.min_pct > self.max_pct:
            raise ValueError(f"min_pct {self.min_pct} is above max_pct {self.max_pct}: no stop would be allowed")
        for symbol, limit in self.per_symbol_max_pct.items():
            if not self.min_pct <= limit <= self.max_pct:
                raise ValueError(f"per_symbol_max_pct of {symbol} is outside {self.min_pct} to {self.max_pct}")
        return self


class Margin(Section):
    """Trades on borrowed money, where the venue lends any. In percent of equity."""

    max_utilisation_pct: Percent = Field(Decimal(50), description="largest margin in use after the trade")
    warn_utilisation_pct: Percent = Field(Decimal(40), description="margin in use from which the verdict warns")


class Breakers(Section):
    """Circuit breakers on the account's equity, unrealised profit and loss included."""

    daily_loss_pct: LossPercent = Field(
        Decimal(5), description="loss since 00:00 UTC, in percent, that ends trading until the next midnight"
    )
    tightened_stop_pct: LossPercent = Field(
        Decimal(1), description="after the daily breaker every stop is at most this far from the bid, in percent"
    )
    weekly_loss_pct: LossPercent = Field(
        Decimal(10), description="loss since Monday 00:00 UTC, in percent, that ends trading until the next Monday"
    )
    weekly_close_pct: LossPercent = Field(
        Decimal(50), description="share of each position that the weekly breaker closes"
    )
    drawdown_pct: LossPercent = Field(
        Decimal(20), description="loss from the peak, in percent, that closes everything until an ADMIN reset"
    )
    leverage_one_after_reset_hours: Count = Field(24, description="hours at leverage 1 after an ADMIN reset")


class CoolDowns(Section):
    """Minutes in which nothing new is opened. A new one never shortens a running one; 0: none."""

    trade: Count = Field(5, description="after an opening, in the same pair")
    loss: Count = Field(10, description="after a loss, in every pair")
    losing_streak: Count = Field(30, description="after the losses of `losing_streak`, in every pair")
    long_losing_streak: Count = Field(60, description="after the losses of `long_losing_streak`, in every pair")
    volatility_spike: Count = Field(15, description="from the beginning of a spike, in the same pair")
    unusual_move: Count = Field(10, description="from the last sight of an unusual move, in the same pair")
    rebalance: Count = Field(30, description="after a rebalance, for the next one")


class TradingHours(Section):
    """When nothing is opened, in UTC. Off unless something stands here."""

    banned_hours: tuple[Hours, ...] = Field((), description='like `["22:00-06:30"]`; the end is not included')
    banned_weekdays: tuple[Weekday, ...] = Field((), description="like `[sat, sun]`")


class Risk(Section):
    """Limits on a single trade and on the whole account. Percentages are of equity unless they say otherwise."""

    timeout_ms: AtLeastOne = Field(100, description="a decision that took longer is refused; market time")
    max_spread_pct: LossPercent = Field(
        Decimal(1), description="largest distance of bid and ask, in percent of the ask, at which anything is opened"
    )
    stop_loss: StopLoss = StopLoss()
    min_reward_risk: Positive = Field(Decimal("1.5"), description="distance to the target over distance to the stop")
    min_confidence: Fraction = Field(Decimal("0.60"), description="a signal below this opens nothing")
    max_position_pct: Percent = Field(Decimal(20), description="largest notional of one trade, leverage included")
    max_risk_per_trade_pct: Percent = Field(Decimal(2), description="largest loss at the stop, with costs")
    confidence_multipliers: SizeSteps = Field(
        ((Decimal("0.85"), Decimal(1)), (Decimal("0.75"), Decimal("0.75")),
         (Decimal("0.65"), Decimal("0.50")), (Decimal("0.60"), Decimal("0.25"))),
        description="[confidence from, size multiplier], falling; below the last no trade",
    )  # fmt: skip
    confidence_leverage: LeverageSteps = Field(
        ((Decimal("0.85"), 5), (Decimal("0.75"), 4), (Decimal("0.65"), 3), (Decimal("0.60"), 2)),
        description="[confidence from, largest leverage], falling; below the last 1",
    )
    regimes: Regimes = Regimes()
    strictness: Strictnesses = Strictnesses()
    losing_streak: LosingStreak = LosingStreak()
    long_losing_streak: LongLosingStreak = LongLosingStreak()
    loss_streak_memory_hours: AtLeastOne = Field(
        24, description="losses in a row are forgotten after so many hours without another one"
    )
    volatility: Volatility = Volatility()
    max_leverage: AtLeastOne = Field(5, description="largest leverage; spot lends none, whatever stands here")
    drawdown_leverage: DrawdownSteps = Field(
        ((Decimal(15), 1), (Decimal(10), 2), (Decimal(5), 3)),
        description="[drawdown from the peak in percent, largest leverage], falling",
    )
    max_exposure_pct: Percent = Field(Decimal(80), description="largest sum of all notionals")
    warn_exposure_pct: Percent = Field(Decimal(70), description="sum of all notionals from which the verdict warns")
    correlation: Correlations = Correlations()
    margin: Margin = Margin()
    market_order_buffer_pct: Percent = Field(
        Decimal(1), description="kept free for a market order that walks the book, in percent of its price"
    )
    trading_hours: TradingHours = TradingHours()
    breakers: Breakers = Breakers()
    cooldown_minutes: CoolDowns = CoolDowns()

    @field_validator("confidence_multipliers")
    @classmethod
    def _steps_fall(cls, steps: SizeSteps) -> SizeSteps:
        levels = [level for level, _ in steps]
        sizes = [size for _, size in steps]
        if not steps or levels != sorted(set(levels), reverse=True) or sizes != sorted(sizes, reverse=True):
            raise ValueError("the confidences must fall from row to row, and no size may rise")
        return steps

    @field_validator("confidence_leverage")
    @classmethod
    def _leverage_falls(cls, steps: LeverageSteps) -> LeverageSteps:
        levels, most = [level for level, _ in steps], [leverage for _, leverage in steps]
        if levels != sorted(set(levels), reverse=True) or most != sorted(most, reverse=True):
            raise ValueError("the confidences must fall from row to row, and no leverage may rise")
        return steps

    @field_validator("drawdown_leverage")
    @classmethod
    def _leverage_falls_with_equity(cls, steps: DrawdownSteps) -> DrawdownSteps:
        levels, most = [level for level, _ in steps], [leverage for _, leverage in steps]
        if levels != sorted(set(levels), reverse=True) or most != sorted(most):
            raise ValueError("the drawdowns must fall from row to row, and no leverage may fall with them")
        return steps

    @model_validator(mode="after")
    def _streaks_get_longer(self) -> Risk:
        if self.losing_streak.losses >= self.long_losing_streak.losses:
            raise ValueError("losing_streak.losses must be below long_losing_streak.losses")
        return self
