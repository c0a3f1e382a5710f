"""What balances are worth in USD. USDT counts as 1 USD. An asset without a fresh price makes the whole unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Any

from triplegain.domain.money import divide, plain, text
from triplegain.ledger.realised import UsdPrice, add_known, in_usd

#: Counted as one US dollar, and every view says so.
DOLLARS = frozenset({"USD", "ZUSD", "USDT"})

_LOT = Decimal("1e-8")


class UsdPrices:
    """Asset to USD through the symbols at hand: directly, else over the fewest crosses. None without a fresh price.

    `mark` gives a symbol's price in its quote currency, or None if that is not fresh.
    """

    def __init__(self, symbols: Iterable[str], mark: Callable[[str], Decimal | None]) -> None:
        self._pairs = [(symbol, *symbol.split("/")) for symbol in symbols]
        self._mark = mark

    def __call__(self, asset: str) -> Decimal | None:
        asset = asset.upper()
        seen = {asset}
        reached: list[tuple[str, Decimal]] = [(asset, Decimal(1))]
        while reached:
            for name, price in reached:
                if name in DOLLARS:
                    return price
            reached = list(self._neighbours(reached, seen))
        return None

    def _neighbours(self, reached: list[tuple[str, Decimal]], seen: set[str]) -> Iterable[tuple[str, Decimal]]:
        for name, price in reached:
            for symbol, base, quote in self._pairs:
                other = quote if name == base else base if name == quote else None
                mark = None if other is None or other in seen else self._mark(symbol)
                if other is None or mark is None or mark <= 0:
                    continue
                seen.add(other)
                with localcontext(prec=28):
                    yield other, price * mark if name == base else divide(price, mark)


def equity_usd(balances: Mapping[str, Decimal], usd_price: UsdPrice) -> Decimal | None:
    """Sum of the balances in USD; None if any of them has no fresh price. Zero balances need no price."""
    total: Decimal | None = Decimal(0)
    for asset, amount in balances.items():
        if amount:
            total = add_known(total, in_usd(amount, usd_price(asset)))
    return total


class OpeningValuation:
    """What the session began with, valued once, at the first moment everything in it has a price, and then frozen.

    Buy-and-hold is the opening balances left alone. Where these are dollars only there is nothing to hold, so the
    yardstick is the whole opening equity put into `benchmark_asset` at its first price, without fees (lots of 1e-8,
    the rest stays dollars).
    """

    def __init__(self, balances: Mapping[str, Decimal], benchmark_asset: str) -> None:
        self.balances = {asset.upper(): amount for asset, amount in balances.items() if amount}
        self.benchmark_asset = benchmark_asset.upper()
        self.time_ns: int | None = None
        self.equity: Decimal | None = None
        self.prices: dict[str, Decimal] = {}
        self._held: dict[str, Decimal] = {}

    @property
    def is_frozen(self) -> bool:
        return self.time_ns is not None

    def observe(self, usd_price: UsdPrice, now_ns: int) -> bool:
        """Freeze if every price is there. True once frozen; later calls change nothing."""
        if self.is_frozen:
            return True
        prices = {asset: usd_price(asset) for asset in sorted({*self.balances, self.benchmark_asset})}
        known = {asset: price for asset, price in prices.items() if price is not None}
        if len(known) < len(prices):
            return False
        self.prices = known
        self.equity = equity_usd(self.balances, known.get)
        self._held = self._hold(known[self.benchmark_asset])
        self.time_ns = now_ns
        return True

    def _hold(self, benchmark_price: Decimal) -> dict[str, Decimal]:
        if not set(self.balances) <= DOLLARS or self.benchmark_asset in DOLLARS or self.equity is None:
            return dict(self.balances)
        with localcontext(prec=60):
            coins = plain((self.equity / benchmark_price).quantize(_LOT, ROUND_FLOOR))
            return {self.benchmark_asset: coins, "USD": plain(self.equity - coins * benchmark_price)}

    def buy_and_hold(self, usd_price: UsdPrice) -> Decimal | None:
        """The yardstick's value now; None before the opening is valued or where a price is missing."""
        return (
            equity_usd(self._held, lambda asset: Decimal(1) if asset == "USD" else usd_price(asset))
            if (self.is_frozen)
            else None
        )

    def state(self) -> dict[str, Any]:
        return {
            "balances": {asset: text(amount) for asset, amount in self.balances.items()},
            "benchmark_asset": self.benchmark_asset,
            "time_ns": None if self.time_ns is None else str(self.time_ns),
            "equity": None if self.equity is None else text(self.equity),
            "prices": {asset: text(price) for asset, price in self.prices.items()},
            "held": {asset: text(amount) for asset, amount in self._held.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.balances = {asset: Decimal(amount) for asset, amount in state["balances"].items()}
        self.benchmark_asset = state["benchmark_asset"]
        self.time_ns = None if state["time_ns"] is None else int(state["time_ns"])
        self.equity = None if state["equity"] is None else Decimal(state["equity"])
        self.prices = {asset: Decimal(price) for asset, price in state["prices"].items()}
        self._held = {asset: Decimal(amount) for asset, amount in state["held"].items()}
