"""Periods and widths of all indicators."""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.domain.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class IndicatorSettings:
    """Periods in candles, multiples in standard deviations (Bollinger) or average true ranges (all others)."""

    ema: tuple[int, ...] = (9, 21, 50, 200)
    sma: tuple[int, ...] = (20, 50, 200)
    rsi: int = 14
    macd_fast: int = 12
    macd_slow: int = 26
    macd_signal: int = 9
    atr: int = 14
    adx: int = 14
    bollinger: int = 20
    bollinger_deviations: float = 2.0
    choppiness: int = 14
    keltner: int = 20
    keltner_atr: int = 10
    keltner_multiple: float = 2.0
    #: Keltner channel of the squeeze, around the same average.
    squeeze_multiple: float = 1.5
    supertrend: int = 10
    supertrend_multiple: float = 3.0
    stochastic_rsi: int = 14
    stochastic_k: int = 3
    stochastic_d: int = 3
    roc: int = 10
    volume: int = 20

    def __post_init__(self) -> None:
        if self.macd_fast >= self.macd_slow:
            raise InvalidValueError(f"MACD: fast ({self.macd_fast}) must be below slow ({self.macd_slow})")
        if len(set(self.ema)) < len(self.ema) or len(set(self.sma)) < len(self.sma):
            raise InvalidValueError("every period of a moving average may stand once")
