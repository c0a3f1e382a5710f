"""How much of a profit is kept, what for, and when it is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError


def _split() -> dict[str, Decimal]:
    return {"USDT": Decimal("0.3334"), "XRP": Decimal("0.3333"), "BTC": Decimal("0.3333")}


def _thresholds() -> dict[str, Decimal]:
    return {"USDT": Decimal(1), "XRP": Decimal(25), "BTC": Decimal(15)}


@dataclass(frozen=True, slots=True)
class HodlSettings:
    """Amounts in USD, shares as fractions. USDT counts as 1 USD.

    `currency` is what is set aside and what pays for the others; it takes what rounding leaves over. `split` is by
    asset and sums to 1. Coins of an asset are bought once its share has grown to its threshold, or to the smallest
    order of the exchange if that is more. `retry_ns` is the pause before anything that waits is looked at again.
    """

    share: Decimal = Decimal("0.10")
    profit_min: Decimal = Decimal(1)
    allocation_max: Decimal = Decimal(1000)
    day_max: Decimal = Decimal(5000)
    currency: str = "USDT"
    split: Mapping[str, Decimal] = field(default_factory=_split)
    thresholds: Mapping[str, Decimal] = field(default_factory=_thresholds)
    attempts_max: int = 3
    retry_ns: int = 30 * SECOND_NS
    slippage_alert: Decimal = Decimal("0.005")

    def __post_init__(self) -> None:
        if sum(self.split.values(), Decimal(0)) != 1:
            raise InvalidValueError(f"the split of the hodl bag sums to {sum(self.split.values())}, not to 1")
        if self.currency not in self.split:
            raise InvalidValueError(f"the split of the hodl bag gives nothing to its currency {self.currency}")
        missing = sorted(set(self.split) - set(self.thresholds))
        if missing:
            raise InvalidValueError(f"the hodl bag has no threshold for {', '.join(missing)}")
