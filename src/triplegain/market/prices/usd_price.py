"""Value of an asset in US dollars through the pairs that have a price."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from triplegain.domain.money import divide

#: USDT counts as one dollar, and views that use it say so.
DOLLARS = ("USD", "USDT")


def usd_price(asset: str, symbols: Iterable[str], price: Callable[[str], Decimal | None]) -> Decimal | None:
    """USD for one unit of `asset` on the shortest way to a dollar; None where no way has fresh prices.

    Pairs can be walked both ways; of equally short ways the first in the order of `symbols` holds.
    """
    if asset in DOLLARS:
        return Decimal(1)
    pairs = [symbol.split("/", 1) for symbol in symbols if "/" in symbol]
    reached: dict[str, Decimal] = {asset: Decimal(1)}
    frontier = [asset]
    while frontier:
        following: list[str] = []
        for here in frontier:
            for base, quote in sorted(pairs, key=lambda pair: pair[1] not in DOLLARS):
                there = quote if base == here else base if quote == here else None
                if there is None or there in reached:
                    continue
                rate = price(f"{base}/{quote}")
                if rate is None:
                    continue
                value = reached[here] * rate if base == here else divide(reached[here], rate)
                if there in DOLLARS:
                    return value
                reached[there] = value
                following.append(there)
        frontier = following
    return None
