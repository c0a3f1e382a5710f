"""How much of a profit is kept, what for, and when it is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.configured import AtOddsError, key
from triplegain.domain.written import (
    AMOUNT,
    ASSET,
    AT_LEAST_ONE,
    BALANCES,
    LOSS_PERCENT,
    PERCENT,
    SECONDS,
    as_percent,
    table,
)


@dataclass(frozen=True, slots=True)
class HodlSettings:
    """Amounts in USD, shares as fractions. USDT counts as 1 USD.

    `currency` is what is set aside and what pays for the others; it takes what rounding leaves over. `split` is by
    asset and sums to 1. Coins of an asset are bought once its share has grown to its threshold, or to the smallest
    order of the exchange if that is more. `retry_ns` is the pause before anything that waits is looked at again.
    """

    share: Decimal = key("profit_share_pct", 10, PERCENT, "share of the profit above the high-water mark")
    profit_min: Decimal = key("profit_min_usd", 1, AMOUNT, "nothing is kept of less than this")
    allocation_max: Decimal = key("allocation_max_usd", 1000, AMOUNT, "most that one closed position gives")
    day_max: Decimal = key("daily_max_usd", 5000, AMOUNT, "most that a day gives (UTC, market time)")
    currency: str = key("currency", "USDT", ASSET, "what is set aside and pays for the coins; it takes the remainder")
    split: Mapping[str, Decimal] = key(
        "split_pct", {"USDT": "33.34", "XRP": "33.33", "BTC": "33.33"}, table(ASSET, PERCENT, least=1),
        "what is set aside, by asset; together 100",
    )  # fmt: skip
    thresholds: Mapping[str, Decimal] = key(
        "thresholds_usd", {"USDT": 1, "XRP": 25, "BTC": 15}, BALANCES,
        "an asset is bought once this much waits for it, or the exchange's smallest order if that is more",
    )  # fmt: skip
    attempts_max: int = key(
        "attempts", 3, AT_LEAST_ONE, "refused orders in a row before an asset waits for more money or a day"
    )
    retry_ns: int = key("retry_s", 30, SECONDS, "seconds of market time between attempts")
    slippage_alert: Decimal = key(
        "slippage_alert_pct", "0.5", LOSS_PERCENT, "a purchase dearer than its quote by more is told, in percent"
    )

    def __post_init__(self) -> None:
        total = sum(self.split.values(), Decimal(0))
        if total != 1:
            raise AtOddsError(f"split_pct adds up to {as_percent(total)}, not to 100")
        if self.currency not in self.split:
            raise AtOddsError(
                f"split_pct must name the currency {self.currency} (0 is allowed): it takes the remainder"
            )
        missing = [asset for asset in self.split if asset not in self.thresholds]
        if missing:
            raise AtOddsError(f"thresholds_usd has nothing for {', '.join(missing)}")
