"""Average true range after Wilder: the mean of the first `period` true ranges, then smoothed by 1/period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AverageTrueRange:
    """One candle in, one average out. The first candle has no true range: it lacks a close before it."""

    def __init__(self, period: int) -> None:
        self.period = period
        self._count = 0
        self._value = 0.0
        self._close: float | None = None

    @property
    def value(self) -> float | None:
        """None until `period` + 1 candles have come."""
        return self._value if self._count >= self.period else None

    def add(self, high: float, low: float, close: float) -> float | None:
        before, self._close = self._close, close
        if before is None:
            return None
        true_range = max(high, before) - min(low, before)
        if self._count < self.period:
            self._count += 1
            self._value += (true_range - self._value) / self._count
        else:
            self._value += (true_range - self._value) / self.period
        return self.value

    def state(self) -> dict[str, Any]:
        return {"count": self._count, "value": self._value, "close": self._close}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._count, self._value, self._close = state["count"], state["value"], state["close"]
