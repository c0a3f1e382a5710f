"""`portfolio.yaml`: how the free coins are meant to be divided, and when they are brought back to it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from triplegain.agents.rebalance import RebalanceMode
from triplegain.config.frozen_mapping import FrozenMapping
from triplegain.config.values import Amount, Asset, AtLeastOne, Percent, Section, Word

Parts = Annotated[Mapping[Asset, Amount], Field(min_length=1), AfterValidator(FrozenMapping), PlainSerializer(dict)]


class Rebalance(Section):
    """Bringing the free coins back to their targets. Coins of open positions and of the hodl bag are never touched."""

    enabled: bool = Field(
        False, description="true: the first check of a session with 10 000 USDT buys coins for two thirds of it"
    )
    targets: Parts = Field(
        FrozenMapping({"BTC": Decimal(1), "XRP": Decimal(1), "USDT": Decimal(1)}),
        description="parts of the whole by asset; USDT must be one of them, everything is traded against it",
    )
    deviation_min_points: Annotated[Percent, Field(gt=0)] = Field(
        Decimal(5), description="percentage points by which an asset must be off its target"
    )
    interval_min_h: AtLeastOne = Field(24, description="hours between two rebalances, at least")
    trade_min_usd: Amount = Field(Decimal(10), description="a smaller trade is left out")
    split_from_usd: Amount = Field(Decimal(500), description="a rebalance that moves so much is split into batches")
    batches: AtLeastOne = Field(6, description="batches of a split rebalance")
    batch_interval_h: AtLeastOne = Field(4, description="hours between two batches")
    mode: Annotated[RebalanceMode, Word] = Field(
        RebalanceMode.LIMIT_ORDERS, description="immediate, dca_24h, limit_orders or defer, where no model chooses"
    )

    @model_validator(mode="after")
    def _targets_divide(self) -> Rebalance:
        if "USDT" not in self.targets:
            raise ValueError("targets must name USDT (0 is allowed): every rebalancing trade is against it")
        if not any(self.targets.values()):
            raise ValueError("targets must not all be 0")
        return self


class Portfolio(Section):
    """The strategic division of the trading book."""

    rebalance: Rebalance = Rebalance()
