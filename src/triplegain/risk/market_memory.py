"""What one market's own past tells: whether its volatility is a spike, whether its price has just jumped."""

from __future__ import annotations

import math
from decimal import Decimal

from msgspec.structs import replace

from triplegain.risk.limits import VolatilityLimits
from triplegain.risk.state import MarketMemory, PriceSpan

#: Prices are kept as so many spans per window, each with its lowest and highest.
_SPANS = 10


def with_atr(memory: MarketMemory, atr: float, limits: VolatilityLimits) -> MarketMemory:
    """The next ATR, of a closed candle. One that is not a number above zero is not taken.

    It is a spike if it is above the ratio times the mean of the `mean_period` before it; with fewer nothing is known.
    """
    if not (math.isfinite(atr) and atr > 0):
        return memory
    before = memory.atrs[-limits.mean_period :]
    mean = math.fsum(before) / len(before) if before else 0.0
    spike = len(before) == limits.mean_period and atr > float(limits.spike_ratio) * mean
    return replace(memory, atrs=(*before, atr)[-limits.mean_period :], spike=spike)


def with_prices(
    memory: MarketMemory, low: Decimal, high: Decimal, now_ns: int, limits: VolatilityLimits
) -> tuple[MarketMemory, bool]:
    """Lowest and highest price since the last call; whether they are farther than the limit from any in the window."""
    window_ns = limits.move_window_ns
    spans = [span for span in memory.prices if span.last_ns >= now_ns - window_ns]
    lowest = min([low, *(span.low for span in spans)])
    highest = max([high, *(span.high for span in spans)])
    moved = high - lowest > limits.move * lowest or highest - low > limits.move * highest
    start_ns = now_ns - now_ns % max(1, window_ns // _SPANS)
    if spans and spans[-1].start_ns >= start_ns:
        last = spans.pop()
        spans.append(PriceSpan(last.start_ns, max(last.last_ns, now_ns), min(low, last.low), max(high, last.high)))
    else:
        spans.append(PriceSpan(start_ns, now_ns, low, high))
    return replace(memory, prices=tuple(spans)), moved
