"""From the configuration's hodl bag to the execution room's own settings."""

from __future__ import annotations

from decimal import Decimal

from triplegain.config import Config
from triplegain.domain.clock import SECOND_NS
from triplegain.execution.hodl.settings import HodlSettings

_HUNDRED = Decimal(100)


def hodl_settings(config: Config) -> HodlSettings | None:
    """None where nothing is to be set aside."""
    chosen = config.hodl
    if not chosen.enabled:
        return None
    return HodlSettings(
        share=chosen.profit_share_pct / _HUNDRED,
        profit_min=chosen.profit_min_usd,
        allocation_max=chosen.allocation_max_usd,
        day_max=chosen.daily_max_usd,
        currency=chosen.currency,
        split={asset: share / _HUNDRED for asset, share in chosen.split_pct.items()},
        thresholds=dict(chosen.thresholds_usd),
        attempts_max=chosen.attempts,
        retry_ns=chosen.retry_s * SECOND_NS,
        slippage_alert=chosen.slippage_alert_pct / _HUNDRED,
    )
