"""What an asset is worth in US dollars: the one conversion of balances, volumes and reports. USDT counts as 1 USD."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal, localcontext

from triplegain.domain.money import EXACT, divide

#: Counted as one US dollar, and every view says so.
DOLLARS = frozenset({"USD", "ZUSD", "USDT"})
_ONE = Decimal(1)
_PRICE = Context(prec=28)


class UsdPrices:
    """Asset to USD through the symbols at hand: directly, else over the fewest crosses. None without a fresh price.

    `mark` gives a symbol's price in its quote currency, or None if that is not fresh.
    """

    def __init__(self, symbols: Iterable[str], mark: Callable[[str], Decimal | None]) -> None:
        self._pairs = [(symbol, *symbol.split("/")) for symbol in symbols]
        self._mark = mark
        #: By asset the symbols that price it in dollars, or dollars in it, with whether it is their base.
        self._in_dollars: dict[str, list[tuple[str, bool]]] = {}
        for symbol, base, quote in self._pairs:
            if quote in DOLLARS:
                self._in_dollars.setdefault(base, []).append((symbol, True))
            if base in DOLLARS and base != quote:
                self._in_dollars.setdefault(quote, []).append((symbol, False))

    def __call__(self, asset: str) -> Decimal | None:
        if asset in DOLLARS or (asset := asset.upper()) in DOLLARS:
            return _ONE
        if (direct := self._direct(asset)) is not None:
            return direct
        seen = {asset}
        reached: list[tuple[str, Decimal]] = [(asset, _ONE)]
        while reached:
            for name, price in reached:
                if name in DOLLARS:
                    return price
            reached = list(self._neighbours(reached, seen))
        return None

    def _direct(self, asset: str) -> Decimal | None:
        """Through one symbol; None where there is none, or none that is fresh."""
        for symbol, is_base in self._in_dollars.get(asset, ()):
            mark = self._mark(symbol)
            if mark is not None and mark > 0:
                return _PRICE.multiply(_ONE, mark) if is_base else divide(_ONE, mark)
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


class UsdPricesOnce:
    """The same at one moment, at which nothing moves: each asset is looked up once."""

    __slots__ = ("_known", "_price")

    def __init__(self, price: Callable[[str], Decimal | None]) -> None:
        self._price = price
        self._known: dict[str, Decimal | None] = {}

    def __call__(self, asset: str) -> Decimal | None:
        if asset not in self._known:
            self._known[asset] = self._price(asset)
        return self._known[asset]


def cash_usd(balances: Mapping[str, Decimal]) -> Decimal | None:
    """Balances that are dollars and nothing else, added up: no price is needed. None where other assets are there."""
    total = Decimal(0)
    for asset, amount in balances.items():
        if amount and asset.upper() not in DOLLARS:
            return None
        total = EXACT.add(total, amount)
    return total
