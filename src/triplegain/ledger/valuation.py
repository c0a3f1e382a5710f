"""What balances are worth in USD. USDT counts as 1 USD. An asset without a fresh price makes the whole unknown."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal, localcontext

from msgspec import Struct
from msgspec.structs import replace

from triplegain.domain.money import plain
from triplegain.domain.usd import DOLLARS, cash_usd
from triplegain.ledger.realised import UsdPrice, add_known, in_usd

_LOT = Decimal("1e-8")


def equity_usd(balances: Mapping[str, Decimal], usd_price: UsdPrice) -> Decimal | None:
    """Sum of the balances in USD; None if any of them has no fresh price. Zero balances and dollars need no price."""
    total: Decimal | None = Decimal(0)
    for asset, amount in balances.items():
        if amount:
            total = add_known(total, amount if asset in DOLLARS else in_usd(amount, usd_price(asset)))
    return total


class Opening(Struct, frozen=True):
    """What the session began with, valued once, at the first moment everything in it has a price, and then frozen.
    Dollars need no price: they are worth what they are, from the start.

    Buy-and-hold is the opening balances left alone. Where these are dollars only there is nothing to hold, so the
    yardstick is the whole opening equity put into `benchmark_asset` at its first price, without fees (lots of 1e-8,
    the rest stays dollars). `held` is what the yardstick holds, from `time_ns` on.
    """

    balances: dict[str, Decimal]
    benchmark_asset: str
    time_ns: int | None
    equity: Decimal | None
    held: dict[str, Decimal]

    @classmethod
    def of(cls, balances: Mapping[str, Decimal], benchmark_asset: str) -> Opening:
        """Not valued yet."""
        known = {asset.upper(): amount for asset, amount in balances.items() if amount}
        return cls(known, benchmark_asset.upper(), None, cash_usd(known), {})

    @property
    def is_frozen(self) -> bool:
        return self.time_ns is not None

    def observed(self, usd_price: UsdPrice, now_ns: int) -> Opening:
        """Frozen if every price is there, the yardstick's too; what is frozen stays as it is."""
        if self.is_frozen:
            return self
        is_cash = self.equity is not None
        prices = {asset: usd_price(asset) for asset in ([self.benchmark_asset] if is_cash else self.balances)}
        known = {asset: price for asset, price in prices.items() if price is not None}
        if len(known) < len(prices):
            return self
        if self.equity is None:
            return replace(self, equity=equity_usd(self.balances, known.get), held=self.balances, time_ns=now_ns)
        return replace(self, held=self._bought(self.equity, known[self.benchmark_asset]), time_ns=now_ns)

    def _bought(self, dollars: Decimal, benchmark_price: Decimal) -> dict[str, Decimal]:
        if self.benchmark_asset in DOLLARS:
            return self.balances
        with localcontext(prec=60):
            coins = plain((dollars / benchmark_price).quantize(_LOT, ROUND_FLOOR))
            return {self.benchmark_asset: coins, "USD": plain(dollars - coins * benchmark_price)}

    def buy_and_hold(self, usd_price: UsdPrice) -> Decimal | None:
        """The yardstick's value now; None before the opening is valued or where a price is missing."""
        return equity_usd(self.held, usd_price) if self.is_frozen else None
