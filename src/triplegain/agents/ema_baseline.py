"""The baseline trader: EMA 9 crosses EMA 21 on closed candles, stop and target by ATR 14. The yardstick of every model.

Buys when the fast average crosses above the slow one, sells when it crosses below. The stop is the larger of 2 ATR
and 0.5 % of the close, the target twice as far.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from triplegain.agents.answer import Abstain, Action, AgentAnswer, Answer
from triplegain.agents.baselines.baseline import Baseline, BaselineState
from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.market import Candle
from triplegain.domain.written import AT_LEAST_ONE, FRACTION, LOSS_PERCENT, POSITIVE


class ExponentialAverage(BaselineState):
    """One value in, one average out. Plain floats; JSON keeps them exactly."""

    kept = ("_count", "_sum", "_value")

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


class AverageTrueRange(BaselineState):
    """One candle in, one average out. The first candle has no true range: it lacks a close before it."""

    kept = ("_count", "_value", "_close")

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


_STEP = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """Periods in candles; `stop_min` is a fraction of the close, the target a multiple of the stop's distance."""

    fast: int = key("fast", 9, AT_LEAST_ONE, "candles of the fast average")
    slow: int = key("slow", 21, AT_LEAST_ONE, "candles of the slow average")
    atr_period: int = key("atr_period", 14, AT_LEAST_ONE, "candles of the average true range")
    confidence: Decimal = key("confidence", "0.75", FRACTION, "confidence of each of its signals")
    stop_atr_multiple: Decimal = key("stop_atr_multiple", 2, POSITIVE, "distance of the stop in ATR")
    stop_min: Decimal = key("stop_min_pct", "0.5", LOSS_PERCENT, "least distance of the stop, in percent of the entry")
    target_stop_multiple: Decimal = key(
        "target_stop_multiple", 2, POSITIVE, "distance of the target in distances of the stop"
    )

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise AtOddsError(f"fast ({self.fast}) must be below slow ({self.slow})")


class EmaBaseline(Baseline):
    """One symbol's baseline. Prices stay in ticks: only ratios leave this file."""

    name = "ema_baseline"
    kept = ("_fast", "_slow", "_atr", "_candles", "last_close_ns", "_side")

    def __init__(self, symbol: str, settings: BaselineSettings | None = None) -> None:
        super().__init__(symbol)
        self._settings = settings = settings or BaselineSettings()
        self._fast = ExponentialAverage(settings.fast)
        self._slow = ExponentialAverage(settings.slow)
        self._atr = AverageTrueRange(settings.atr_period)
        self.warm_up = max(settings.fast, settings.slow, settings.atr_period + 1)
        self._candles = 0
        #: On which side of the slow average the fast one was last seen; 0 not yet.
        self._side = 0

    def _answer_to(self, candle: Candle) -> Answer:
        self._candles += 1
        fast, slow = self._fast.add(candle.close), self._slow.add(candle.close)
        atr = self._atr.add(candle.high, candle.low, candle.close)
        if fast is None or slow is None or atr is None:
            return Abstain(f"warming up: {self._candles} of {self.warm_up} candles")
        side = (fast > slow) - (fast < slow)
        before = self._side
        self._side = side or before
        if before < 0 < side:
            return self._signal(Action.BUY, "above", atr / candle.close)
        if side < 0 < before:
            return self._signal(Action.SELL, "below", atr / candle.close)
        trend = {1: "above", -1: "below"}.get(self._side, "level with")
        stays = f"no cross: EMA {self._fast.period} stays {trend} the slow average"
        return AgentAnswer(Action.HOLD, self._settings.confidence, stays)

    def _signal(self, action: Action, where: str, atr_fraction: float) -> AgentAnswer:
        distance = Decimal(atr_fraction) * self._settings.stop_atr_multiple
        stop = max(self._settings.stop_min, distance.quantize(_STEP, ROUND_CEILING))
        reasoning = f"EMA {self._fast.period} crossed {where} EMA {self._slow.period}"
        target = self._settings.target_stop_multiple * stop
        return AgentAnswer(action, self._settings.confidence, reasoning, stop, target)
