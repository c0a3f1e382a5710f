"""`indicators.yaml`: periods and widths of every indicator."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from triplegain.config.values import Exact, Section

#: A single candle is no average; a period beyond this would need years of candles.
Period = Annotated[int, Field(ge=2, le=1000)]
#: TA-Lib takes no multiple below zero.
Multiple = Annotated[Exact, Field(gt=0, le=100)]


class Macd(Section):
    """Difference of two exponential averages, and its own average."""

    fast: Period = Field(12, description="candles of the fast average")
    slow: Period = Field(26, description="candles of the slow average")
    signal: Period = Field(9, description="values of the signal line")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Macd:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
        return self


class Bollinger(Section):
    """Bands around a simple average."""

    period: Period = Field(20, description="candles")
    deviations: Multiple = Field(Decimal(2), description="distance of the bands in standard deviations")


class Keltner(Section):
    """Channel around an exponential average of the typical price."""

    period: Period = Field(20, description="candles of the average")
    atr_period: Period = Field(10, description="candles of the average true range")
    multiple: Multiple = Field(Decimal(2), description="distance of the channel in ATR")
    squeeze_multiple: Multiple = Field(
        Decimal("1.5"), description="the same for the squeeze: Bollinger bands inside this channel"
    )


class Supertrend(Section):
    """A trailing line below or above the market."""

    period: Period = Field(10, description="candles of the average true range")
    multiple: Multiple = Field(Decimal(3), description="distance of the line in ATR")


class StochasticRsi(Section):
    """Where the RSI stands in its recent range."""

    period: Period = Field(14, description="RSI values of the range")
    k: Period = Field(3, description="values of the mean %K")
    d: Period = Field(3, description="values of the mean %D")


class Indicators(Section):
    """Indicators are computed by code, never by a model, from closed candles; periods are candles."""

    ema: Annotated[tuple[Period, ...], Field(min_length=3)] = Field(
        (9, 21, 50, 200), description="exponential averages; the three shortest tell the trend"
    )
    sma: tuple[Period, ...] = Field((20, 50, 200), description="simple averages")
    rsi: Period = Field(14, description="relative strength (Wilder)")
    macd: Macd = Macd()
    atr: Period = Field(14, description="average true range (Wilder)")
    adx: Period = Field(14, description="average directional index (Wilder)")
    bollinger: Bollinger = Bollinger()
    choppiness: Period = Field(14, description="choppiness index")
    keltner: Keltner = Keltner()
    supertrend: Supertrend = Supertrend()
    stochastic_rsi: StochasticRsi = StochasticRsi()
    roc: Period = Field(10, description="rate of change")
    volume: Period = Field(20, description="volume beside the mean of so many candles")

    @model_validator(mode="after")
    def _each_once(self) -> Indicators:
        for name, periods in (("ema", self.ema), ("sma", self.sma)):
            if len(set(periods)) < len(periods):
                raise ValueError(f"{name} names a period twice")
        return self
