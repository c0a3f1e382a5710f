"""Periods and widths of all indicators."""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.written import exact, integer, listing

#: A single candle is no average; a period beyond this would need years of candles.
_PERIOD = integer(ge=2, le=1000)
#: TA-Lib takes no multiple below zero.
_MULTIPLE = exact(gt=0, le=100).into(float)


@dataclass(frozen=True, slots=True)
class IndicatorSettings:
    """Periods in candles, multiples in standard deviations (Bollinger) or average true ranges (all others)."""

    ema: tuple[int, ...] = key(
        "ema", (9, 21, 50, 200), listing(_PERIOD, least=3), "exponential averages; the three shortest tell the trend"
    )
    sma: tuple[int, ...] = key("sma", (20, 50, 200), listing(_PERIOD), "simple averages")
    rsi: int = key("rsi", 14, _PERIOD, "relative strength (Wilder)")
    macd_fast: int = key("macd.fast", 12, _PERIOD, "candles of the fast average")
    macd_slow: int = key("macd.slow", 26, _PERIOD, "candles of the slow average")
    macd_signal: int = key("macd.signal", 9, _PERIOD, "values of the signal line")
    atr: int = key("atr", 14, _PERIOD, "average true range (Wilder)")
    adx: int = key("adx", 14, _PERIOD, "average directional index (Wilder)")
    bollinger: int = key("bollinger.period", 20, _PERIOD, "candles")
    bollinger_deviations: float = key(
        "bollinger.deviations", 2, _MULTIPLE, "distance of the bands in standard deviations"
    )
    choppiness: int = key("choppiness", 14, _PERIOD, "choppiness index")
    keltner: int = key("keltner.period", 20, _PERIOD, "candles of the average")
    keltner_atr: int = key("keltner.atr_period", 10, _PERIOD, "candles of the average true range")
    keltner_multiple: float = key("keltner.multiple", 2, _MULTIPLE, "distance of the channel in ATR")
    squeeze_multiple: float = key(
        "keltner.squeeze_multiple", "1.5", _MULTIPLE, "the same for the squeeze: Bollinger bands inside this channel"
    )
    supertrend: int = key("supertrend.period", 10, _PERIOD, "candles of the average true range")
    supertrend_multiple: float = key("supertrend.multiple", 3, _MULTIPLE, "distance of the line in ATR")
    stochastic_rsi: int = key("stochastic_rsi.period", 14, _PERIOD, "RSI values of the range")
    stochastic_k: int = key("stochastic_rsi.k", 3, _PERIOD, "values of the mean %K")
    stochastic_d: int = key("stochastic_rsi.d", 3, _PERIOD, "values of the mean %D")
    roc: int = key("roc", 10, _PERIOD, "rate of change")
    volume: int = key("volume", 20, _PERIOD, "volume beside the mean of so many candles")

    def __post_init__(self) -> None:
        if self.macd_fast >= self.macd_slow:
            raise AtOddsError(f"fast ({self.macd_fast}) must be below slow ({self.macd_slow})", "macd")
        for name, periods in (("ema", self.ema), ("sma", self.sma)):
            if len(set(periods)) < len(periods):
                raise AtOddsError(f"{name} names a period twice")
