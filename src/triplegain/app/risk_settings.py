"""From `risk.yaml`, in percent, minutes and words, to the limits of the risk engine."""

from __future__ import annotations

from decimal import Decimal

from triplegain.config import Config
from triplegain.config.risk import Breakers, CoolDowns, TradingHours
from triplegain.config.risk_tables import Correlations, Regimes, Strictnesses, Volatility
from triplegain.domain.candle_time import MINUTE_NS
from triplegain.domain.clock import MILLISECOND_NS
from triplegain.domain.money import plain
from triplegain.domain.proposal import Regime, Strictness
from triplegain.risk.limits import (
    BreakerLimits,
    CoolDownKind,
    CorrelationLimits,
    RegimeLimits,
    RiskLimits,
    StreakLimits,
    TradingWindow,
    VolatilityLimits,
)

_HOUR_NS = 60 * MINUTE_NS
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def risk_limits(config: Config) -> RiskLimits:
    risk, positions = config.risk, config.execution.positions
    stop, short, long = risk.stop_loss, risk.losing_streak, risk.long_losing_streak
    return RiskLimits(
        timeout_ns=risk.timeout_ms * MILLISECOND_NS,
        spread_max=_share(risk.max_spread_pct),
        stop_min=_share(stop.min_pct),
        stop_max=_share(stop.max_pct),
        stop_max_by_symbol={symbol: _share(percent) for symbol, percent in stop.per_symbol_max_pct.items()},
        stop_slippage=_share(stop.slippage_pct),
        reward_risk_min=risk.min_reward_risk,
        confidence_min=risk.min_confidence,
        confidence_size=risk.confidence_multipliers,
        confidence_leverage=risk.confidence_leverage,
        regimes=_regimes(risk.regimes),
        strictness=_strictness(risk.strictness),
        risk_per_trade=_share(risk.max_risk_per_trade_pct),
        loss_max=_share(risk.max_risk_per_trade_pct),
        size_max=_share(risk.max_position_pct),
        losing_streak=StreakLimits(short.losses, short.confidence_add, short.max_leverage),
        long_losing_streak=StreakLimits(long.losses, long.confidence_add, long.max_leverage, long.next_size_multiplier),
        streak_memory_ns=risk.loss_streak_memory_hours * _HOUR_NS,
        volatility=_volatility(risk.volatility),
        leverage_max=risk.max_leverage,
        drawdown_leverage=tuple((_share(drawdown), most) for drawdown, most in risk.drawdown_leverage),
        leverage_one_after_reset_ns=risk.breakers.leverage_one_after_reset_hours * _HOUR_NS,
        exposure_max=_share(risk.max_exposure_pct),
        exposure_warn=_share(risk.warn_exposure_pct),
        correlation=_correlation(risk.correlation),
        margin_utilisation_max=_share(risk.margin.max_utilisation_pct),
        margin_utilisation_warn=_share(risk.margin.warn_utilisation_pct),
        market_buffer=_share(risk.market_order_buffer_pct),
        positions_max=positions.max_open,
        positions_per_symbol_max=positions.max_per_symbol,
        trading_window=_window(risk.trading_hours),
        breakers=_breakers(risk.breakers),
        cooldowns_ns=_cooldowns(risk.cooldown_minutes),
    )


def _share(percent: Decimal) -> Decimal:
    return plain(percent / 100)


def _regimes(regimes: Regimes) -> dict[Regime, RegimeLimits]:
    rows = {
        Regime.TRENDING_BULL: regimes.trending_bull,
        Regime.TRENDING_BEAR: regimes.trending_bear,
        Regime.RANGING: regimes.ranging,
        Regime.VOLATILE_BULL: regimes.volatile_bull,
        Regime.VOLATILE_BEAR: regimes.volatile_bear,
        Regime.CHOPPY: regimes.choppy,
        Regime.BREAKOUT_POTENTIAL: regimes.breakout_potential,
        Regime.UNKNOWN: regimes.unknown,
    }
    return {
        regime: RegimeLimits(row.size_multiplier, row.min_confidence, row.strictness, row.max_leverage)
        for regime, row in rows.items()
    }


def _strictness(rows: Strictnesses) -> dict[Strictness, Decimal]:
    return {
        Strictness.RELAXED: rows.relaxed,
        Strictness.NORMAL: rows.normal,
        Strictness.STRICT: rows.strict,
        Strictness.VERY_STRICT: rows.very_strict,
    }


def _volatility(volatility: Volatility) -> VolatilityLimits:
    return VolatilityLimits(
        spike_ratio=volatility.atr_spike_ratio,
        mean_period=volatility.atr_mean_period,
        spike_size=volatility.spike_size_multiplier,
        move=_share(volatility.unusual_move_pct),
        move_window_ns=volatility.unusual_move_window_minutes * MINUTE_NS,
    )


def _correlation(correlation: Correlations) -> CorrelationLimits:
    return CorrelationLimits(
        exposure_max=_share(correlation.max_exposure_pct),
        counted_above=correlation.counted_above,
        pairs={(one, other): together for one, other, together in correlation.pairs},
        unlisted=correlation.unlisted,
    )


def _window(hours: TradingHours) -> TradingWindow:
    spans = (span.split("-") for span in hours.banned_hours)
    return TradingWindow(
        banned_minutes=tuple((_minute(start), _minute(end)) for start, end in spans),
        banned_weekdays=frozenset(_WEEKDAYS.index(day) for day in hours.banned_weekdays),
    )


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def _breakers(breakers: Breakers) -> BreakerLimits:
    return BreakerLimits(
        daily_loss=_share(breakers.daily_loss_pct),
        tightened_stop=_share(breakers.tightened_stop_pct),
        weekly_loss=_share(breakers.weekly_loss_pct),
        weekly_close=_share(breakers.weekly_close_pct),
        drawdown=_share(breakers.drawdown_pct),
    )


def _cooldowns(minutes: CoolDowns) -> dict[CoolDownKind, int]:
    by_kind = {
        CoolDownKind.TRADE: minutes.trade,
        CoolDownKind.LOSS: minutes.loss,
        CoolDownKind.LOSING_STREAK: minutes.losing_streak,
        CoolDownKind.LONG_LOSING_STREAK: minutes.long_losing_streak,
        CoolDownKind.VOLATILITY_SPIKE: minutes.volatility_spike,
        CoolDownKind.UNUSUAL_MOVE: minutes.unusual_move,
        CoolDownKind.REBALANCE: minutes.rebalance,
    }
    return {kind: length * MINUTE_NS for kind, length in by_kind.items()}
