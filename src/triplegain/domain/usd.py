"""What an asset is worth in US dollars: the one conversion of balances, volumes and reports. USDT counts as 1 USD."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext

from triplegain.domain.money import EXACT, divide

#: Counted as one US dollar, and every view says so.
DOLLARS = frozenset({"USD", "ZUSD", "USDT"})


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


def cash_usd(balances: Mapping[str, Decimal]) -> Decimal | None:
    """Balances that are dollars and nothing else, added up: no price is needed. None where other assets are there."""
    total = Decimal(0)
    for asset, amount in balances.items():
        if amount and asset.upper() not in DOLLARS:
            return None
        total = EXACT.add(total, amount)
    return total
