"""`hodl.yaml`: what of the profit is kept, and how it becomes coins."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from triplegain.config.frozen_mapping import FrozenMapping
from triplegain.config.values import Amount, Asset, AtLeastOne, Balances, Percent, Section

_HUNDRED = Decimal(100)

Split = Annotated[Mapping[Asset, Percent], Field(min_length=1), AfterValidator(FrozenMapping), PlainSerializer(dict)]


class Hodl(Section):
    """The hodl bag: a share of the realised profit above its highest level, never sold and no part of equity."""

    enabled: bool = Field(True, description="false: nothing is set aside")
    profit_share_pct: Percent = Field(Decimal(10), description="share of the profit above the high-water mark")
    profit_min_usd: Amount = Field(Decimal(1), description="nothing is kept of less than this")
    allocation_max_usd: Amount = Field(Decimal(1000), description="most that one closed position gives")
    daily_max_usd: Amount = Field(Decimal(5000), description="most that a day gives (UTC, market time)")
    currency: Asset = Field("USDT", description="what is set aside and pays for the coins; it takes the remainder")
    split_pct: Split = Field(
        FrozenMapping({"USDT": Decimal("33.34"), "XRP": Decimal("33.33"), "BTC": Decimal("33.33")}),
        description="what is set aside, by asset; together 100",
    )
    thresholds_usd: Balances = Field(
        FrozenMapping({"USDT": Decimal(1), "XRP": Decimal(25), "BTC": Decimal(15)}),
        description="an asset is bought once this much waits for it, or the exchange's smallest order if that is more",
    )
    attempts: AtLeastOne = Field(3, description="refused orders in a row before an asset waits for more money or a day")
    retry_s: AtLeastOne = Field(30, description="seconds of market time between attempts")
    slippage_alert_pct: Annotated[Percent, Field(gt=0)] = Field(
        Decimal("0.5"), description="a purchase dearer than its quote by more is told, in percent"
    )

    @model_validator(mode="after")
    def _adds_up(self) -> Hodl:
        total = sum(self.split_pct.values(), Decimal(0))
        if total != _HUNDRED:
            raise ValueError(f"split_pct adds up to {total}, not to 100")
        if self.currency not in self.split_pct:
            raise ValueError(f"split_pct must name the currency {self.currency} (0 is allowed): it takes the remainder")
        missing = [asset for asset in self.split_pct if asset not in self.thresholds_usd]
        if missing:
            raise ValueError(f"thresholds_usd has nothing for {', '.join(missing)}")
        return self
