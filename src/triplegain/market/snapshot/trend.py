"""The direction of a timeframe, and whether the timeframes agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from triplegain.market.indicators.suite import Reading

#: Averages closer than this (ticks) are level.
_LEVEL = 0.01
_AVERAGES = 3
_LEAST = 2


def trend(reading: Reading, close: int, ema_periods: Sequence[int]) -> float | None:
    """Mean of three signs: fast over middle average, middle over slow, close over slow; -1..1.

    The averages are the three shortest EMAs there are. None until the slow one is known.
    """
    values = [reading[f"ema_{period}"] for period in sorted(ema_periods)[:_AVERAGES]]
    fast, middle, slow = values if len(values) == _AVERAGES else (None, None, None)
    if fast is None or middle is None or slow is None:
        return None
    return (_sign(fast - middle) + _sign(middle - slow) + _sign(close - slow)) / 3


def alignment(trends: Iterable[float | None]) -> float | None:
    """Mean of the known trends: 1 all rise, -1 all fall. None with fewer than two."""
    known = [each for each in trends if each is not None]
    return math.fsum(known) / len(known) if len(known) >= _LEAST else None


def _sign(difference: float) -> int:
    return (difference > _LEVEL) - (difference < -_LEVEL)
