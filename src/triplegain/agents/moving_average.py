"""Exponential moving average, started with the simple average of its first period (as TA-Lib does)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ExponentialAverage:
    """One value in, one average out. Plain floats; JSON keeps them exactly."""

    def __init__(self, period: int) -> None:
        self.period = period
        self._count = 0
        self._sum = 0.0
        self._value = 0.0

    @property
    def value(self) -> float | None:
        """None until `period` values have come."""
        return self._value if self._count >= self.period else None

    def add(self, value: float) -> float | None:
        self._count = min(self._count + 1, self.period + 1)
        if self._count <= self.period:
            self._sum += value
            self._value = self._sum / self._count
        else:
            self._value += (value - self._value) * (2 / (self.period + 1))
        return self.value

    def state(self) -> dict[str, Any]:
        return {"count": self._count, "sum": self._sum, "value": self._value}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._count, self._sum, self._value = state["count"], state["sum"], state["value"]
