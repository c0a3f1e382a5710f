"""The limits of the risk engine. Fractions are of equity (sizes, losses) or of the entry price (stops).

The defaults are those of `config/risk.yaml`; a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from triplegain.domain.candle_time import MINUTE_NS
from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.proposal import Regime, Strictness

_HOUR_NS = 60 * MINUTE_NS


class CoolDownKind(StrEnum):
    """Why new trades wait. Those of losses hold for every symbol, those of a rebalance for rebalances."""

    TRADE = "trade"
    LOSS = "loss"
    LOSING_STREAK = "losing_streak"
    LONG_LOSING_STREAK = "long_losing_streak"
    VOLATILITY_SPIKE = "volatility_spike"
    UNUSUAL_MOVE = "unusual_move"
    REBALANCE = "rebalance"


@dataclass(frozen=True, slots=True)
class RegimeLimits:
    """What one condition of a market allows."""

    size: Decimal
    confidence_min: Decimal
    strictness: Strictness
    leverage_max: int


@dataclass(frozen=True, slots=True)
class StreakLimits:
    """From `losses` in a row on: so much more confidence, at most this leverage, the next size times `size`."""

    losses: int
    confidence_add: Decimal
    leverage_max: int
    size: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """Losses at which the account is protected from its trader, as fractions of the equity they are measured from.

    `tightened_stop` is the distance of a tightened stop, `weekly_close` the share of each position that is closed.
    """

    daily_loss: Decimal = Decimal("0.05")
    tightened_stop: Decimal = Decimal("0.01")
    weekly_loss: Decimal = Decimal("0.10")
    weekly_close: Decimal = Decimal("0.5")
    drawdown: Decimal = Decimal("0.20")


@dataclass(frozen=True, slots=True)
class VolatilityLimits:
    """An ATR above `spike_ratio` times the mean of the `mean_period` before it; a move within `move_window_ns`."""

    spike_ratio: Decimal = Decimal(3)
    mean_period: int = 20
    spike_size: Decimal = Decimal("0.5")
    move: Decimal = Decimal("0.03")
    move_window_ns: int = 5 * MINUTE_NS


@dataclass(frozen=True, slots=True)
class CorrelationLimits:
    """`pairs` may be asked in either order; symbols of no pair move together as much as `unlisted` says."""

    exposure_max: Decimal = Decimal("0.40")
    counted_above: Decimal = Decimal("0.5")
    pairs: Mapping[tuple[str, str], Decimal] = field(
        default_factory=lambda: {
            ("BTC/USDT", "XRP/USDT"): Decimal("0.75"),
            ("BTC/USDT", "XRP/BTC"): Decimal("0.60"),
            ("XRP/USDT", "XRP/BTC"): Decimal("0.85"),
        }
    )
    unlisted: Decimal = Decimal(1)

    def between(self, one: str, other: str) -> Decimal:
        """From 0 to 1; a symbol with itself 1."""
        if one == other:
            return Decimal(1)
        found = self.pairs.get((one, other))
        return found if found is not None else self.pairs.get((other, one), self.unlisted)


@dataclass(frozen=True, slots=True)
class TradingWindow:
    """When nothing is opened: minutes of the UTC day from (inclusive) to (exclusive), and weekdays (Monday is 0)."""

    banned_minutes: tuple[tuple[int, int], ...] = ()
    banned_weekdays: frozenset[int] = frozenset()


def _stop_max_by_symbol() -> Mapping[str, Decimal]:
    return {"BTC/USDT": Decimal("0.03"), "XRP/USDT": Decimal("0.05"), "XRP/BTC": Decimal("0.05")}


def _regimes() -> Mapping[Regime, RegimeLimits]:
    rows = (
        (Regime.TRENDING_BULL, "1", "0.55", Strictness.NORMAL, 5),
        (Regime.TRENDING_BEAR, "1", "0.55", Strictness.NORMAL, 3),
        (Regime.RANGING, "0.75", "0.60", Strictness.STRICT, 2),
        (Regime.VOLATILE_BULL, "0.5", "0.65", Strictness.STRICT, 2),
        (Regime.VOLATILE_BEAR, "0.5", "0.65", Strictness.STRICT, 2),
        (Regime.CHOPPY, "0.25", "0.75", Strictness.VERY_STRICT, 1),
        (Regime.BREAKOUT_POTENTIAL, "0.75", "0.60", Strictness.STRICT, 3),
        (Regime.UNKNOWN, "0.5", "0.70", Strictness.NORMAL, 1),
    )
    return {regime: RegimeLimits(Decimal(size), Decimal(least), how, most) for regime, size, least, how, most in rows}


def _strictness() -> Mapping[Strictness, Decimal]:
    return {
        Strictness.RELAXED: Decimal("-0.05"),
        Strictness.NORMAL: Decimal(0),
        Strictness.STRICT: Decimal("0.05"),
        Strictness.VERY_STRICT: Decimal("0.10"),
    }


def _confidence_size() -> tuple[tuple[Decimal, Decimal], ...]:
    rows = (("0.85", "1"), ("0.75", "0.75"), ("0.65", "0.5"), ("0.60", "0.25"))
    return tuple((Decimal(least), Decimal(multiplier)) for least, multiplier in rows)


def _confidence_leverage() -> tuple[tuple[Decimal, int], ...]:
    return tuple((Decimal(least), most) for least, most in (("0.85", 5), ("0.75", 4), ("0.65", 3), ("0.60", 2)))


def _drawdown_leverage() -> tuple[tuple[Decimal, int], ...]:
    return tuple((Decimal(from_), most) for from_, most in (("0.15", 1), ("0.10", 2), ("0.05", 3)))


def _cooldowns() -> Mapping[CoolDownKind, int]:
    minutes = {
        CoolDownKind.TRADE: 5,
        CoolDownKind.LOSS: 10,
        CoolDownKind.LOSING_STREAK: 30,
        CoolDownKind.LONG_LOSING_STREAK: 60,
        CoolDownKind.VOLATILITY_SPIKE: 15,
        CoolDownKind.UNUSUAL_MOVE: 10,
        CoolDownKind.REBALANCE: 30,
    }
    return {kind: length * MINUTE_NS for kind, length in minutes.items()}


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Every field is a rule of the gate or of the engine.

    `risk_per_trade` sizes a trade by its stop; `loss_max` caps the loss at the stop with costs of what is then sent.
    The steps of `confidence_size` and `confidence_leverage` read: from this confidence on; those of
    `drawdown_leverage`: from this drawdown on; all in falling order. `market_buffer` of the price is kept free for a
    market order that walks the book, `stop_slippage` is what a stop is reckoned to lose beyond its trigger.
    """

    timeout_ns: int = 100 * MILLISECOND_NS
    spread_max: Decimal = Decimal("0.01")
    stop_min: Decimal = Decimal("0.005")
    stop_max: Decimal = Decimal("0.05")
    stop_max_by_symbol: Mapping[str, Decimal] = field(default_factory=_stop_max_by_symbol)
    stop_slippage: Decimal = Decimal("0.001")
    reward_risk_min: Decimal = Decimal("1.5")
    confidence_min: Decimal = Decimal("0.60")
    confidence_size: tuple[tuple[Decimal, Decimal], ...] = field(default_factory=_confidence_size)
    confidence_leverage: tuple[tuple[Decimal, int], ...] = field(default_factory=_confidence_leverage)
    regimes: Mapping[Regime, RegimeLimits] = field(default_factory=_regimes)
    strictness: Mapping[Strictness, Decimal] = field(default_factory=_strictness)
    risk_per_trade: Decimal = Decimal("0.02")
    loss_max: Decimal = Decimal("0.02")
    size_max: Decimal = Decimal("0.20")
    losing_streak: StreakLimits = StreakLimits(3, Decimal("0.10"), 2)
    long_losing_streak: StreakLimits = StreakLimits(5, Decimal("0.20"), 1, Decimal("0.5"))
    streak_memory_ns: int = 24 * _HOUR_NS
    volatility: VolatilityLimits = VolatilityLimits()
    leverage_max: int = 5
    drawdown_leverage: tuple[tuple[Decimal, int], ...] = field(default_factory=_drawdown_leverage)
    leverage_one_after_reset_ns: int = 24 * _HOUR_NS
    exposure_max: Decimal = Decimal("0.80")
    exposure_warn: Decimal = Decimal("0.70")
    correlation: CorrelationLimits = CorrelationLimits()
    margin_utilisation_max: Decimal = Decimal("0.50")
    margin_utilisation_warn: Decimal = Decimal("0.40")
    market_buffer: Decimal = Decimal("0.01")
    positions_max: int = 5
    positions_per_symbol_max: int = 2
    trading_window: TradingWindow = TradingWindow()
    breakers: BreakerLimits = BreakerLimits()
    cooldowns_ns: Mapping[CoolDownKind, int] = field(default_factory=_cooldowns)
