"""What this account has taken of the public books, kept with the session: the feed does not show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from triplegain.domain.parts import Parts, Touch
from triplegain.exchange.venue_market import VenueMarket


class TakenLiquidity:
    """Lots by symbol, side and price."""

    def __init__(self, markets: Mapping[str, VenueMarket]) -> None:
        self._markets = markets

    def register(self, parts: Parts) -> None:
        touch = parts.keyed("exchange.taken", int, self._taken, self._restore, self._keys)
        for symbol, market in self._markets.items():
            market.book.touch_taken = _named(symbol, touch)

    def _keys(self) -> Iterator[str]:
        for symbol, market in self._markets.items():
            for side, levels in enumerate(market.book.taken):
                yield from (f"{symbol} {side} {price}" for price in levels)

    def _taken(self, key: str) -> int | None:
        symbol, side, price = key.split(" ")
        return self._markets[symbol].book.taken[int(side)].get(int(price))

    def _restore(self, stored: Mapping[str, int]) -> None:
        for key, lots in stored.items():
            symbol, side, price = key.split(" ")
            self._markets[symbol].book.taken[int(side)][int(price)] = lots


def _named(symbol: str, touch: Touch) -> Callable[[int, int], None]:
    return lambda side, price: touch(f"{symbol} {side} {price}")
