"""From the configuration's indicators and snapshot to the market room's own settings."""

from __future__ import annotations

from triplegain.config import Config
from triplegain.domain.clock import SECOND_NS
from triplegain.market.candles.timeframe import timeframe
from triplegain.market.indicators.settings import IndicatorSettings
from triplegain.market.snapshot.settings import SnapshotSettings

#: Minutes of the candles that are asked for: 15 minutes are made of 5, weeks of days.
_ASKED_MINUTES = (1, 5, 60, 240, 1440)


def indicator_settings(config: Config) -> IndicatorSettings:
    chosen = config.indicators
    return IndicatorSettings(
        ema=chosen.ema,
        sma=chosen.sma,
        rsi=chosen.rsi,
        macd_fast=chosen.macd.fast,
        macd_slow=chosen.macd.slow,
        macd_signal=chosen.macd.signal,
        atr=chosen.atr,
        adx=chosen.adx,
        bollinger=chosen.bollinger.period,
        bollinger_deviations=float(chosen.bollinger.deviations),
        choppiness=chosen.choppiness,
        keltner=chosen.keltner.period,
        keltner_atr=chosen.keltner.atr_period,
        keltner_multiple=float(chosen.keltner.multiple),
        squeeze_multiple=float(chosen.keltner.squeeze_multiple),
        supertrend=chosen.supertrend.period,
        supertrend_multiple=float(chosen.supertrend.multiple),
        stochastic_rsi=chosen.stochastic_rsi.period,
        stochastic_k=chosen.stochastic_rsi.k,
        stochastic_d=chosen.stochastic_rsi.d,
        roc=chosen.roc,
        volume=chosen.volume,
    )


def snapshot_settings(config: Config) -> SnapshotSettings:
    chosen = config.snapshot
    return SnapshotSettings(
        look_back=dict(chosen.look_back),
        primary=chosen.primary,
        depth_pcts=chosen.depth_pct,
        token_budget=chosen.token_budget,
        late_after_ns=chosen.late_after_s * SECOND_NS,
        history_candles=chosen.history_candles,
    )


def warm_up_lengths_ns(config: Config) -> tuple[int, ...]:
    """The candles of before that the agents' view is warm with at once; longer frames are made of shorter ones."""
    frames = {timeframe(name).length_ns for name in config.snapshot.look_back}
    return tuple(sorted(frames & {minutes * 60 * SECOND_NS for minutes in _ASKED_MINUTES}))
