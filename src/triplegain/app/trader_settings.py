"""From the configuration's trader without a model to its own settings."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from triplegain.agents.baselines.buy_and_hold import BuyAndHoldSettings
from triplegain.agents.baselines.choice import BaselineChoice
from triplegain.agents.baselines.equal_weight import EqualWeightSettings
from triplegain.agents.baselines.random_trader import RandomSettings
from triplegain.agents.ema_baseline import BaselineSettings
from triplegain.config import Config
from triplegain.config.baselines import Trader
from triplegain.domain.clock import SECOND_NS

_HUNDRED = Decimal(100)
_HOUR_NS = 3600 * SECOND_NS


def baseline_choice(config: Config, models_vote: bool) -> BaselineChoice | None:
    """Who trades by rules; None where models decide, or nobody does. `models_vote`: some model takes part in votes."""
    agents = config.agents
    match agents.trader:
        case Trader.AUTO:
            return None if models_vote or not agents.baseline_ema.enabled else ema_settings(config)
        case Trader.MODELS:
            return None
        case Trader.EMA:
            return ema_settings(config)
        case Trader.BUY_AND_HOLD:
            return BuyAndHoldSettings(agents.buy_and_hold.cash_pct / _HUNDRED)
        case Trader.EQUAL_WEIGHT:
            return EqualWeightSettings(agents.equal_weight.band_points / _HUNDRED)
        case Trader.RANDOM:
            return random_settings(config)
        case _:
            assert_never(agents.trader)


def ema_settings(config: Config) -> BaselineSettings:
    chosen = config.agents.baseline_ema
    return BaselineSettings(
        fast=chosen.fast,
        slow=chosen.slow,
        atr_period=chosen.atr_period,
        confidence=chosen.confidence,
        stop_atr_multiple=chosen.stop_atr_multiple,
        stop_min=chosen.stop_min_pct / _HUNDRED,
        target_stop_multiple=chosen.target_stop_multiple,
    )


def random_settings(config: Config) -> RandomSettings:
    chosen = config.agents.random
    return RandomSettings(
        seed=chosen.seed,
        entries_per_day=chosen.entries_per_day,
        holding_min_ns=int(chosen.holding_min_h * _HOUR_NS),
        holding_max_ns=int(chosen.holding_max_h * _HOUR_NS),
        stop=chosen.stop_pct / _HUNDRED,
        confidence=chosen.confidence,
    )
