"""The public book of one instrument as one account may take from it.

Liquidity that the account has used up stays used up: it falls with the displayed size, is forgotten when the level
vanishes, and growth beyond it is new liquidity. The feed does not show it, so it is kept with the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from triplegain.domain.parts import Parts, Touch, nobody
from triplegain.exchange.book import ASK, BID, OrderBook
from triplegain.exchange.ladder import LADDER_LEVELS, Ladder


class AccountBook:
    """`changed` is told side and price of a level of which another quantity is taken."""

    def __init__(self, public: OrderBook, changed: Callable[[int, int], None]) -> None:
        self.public = public
        #: Lots by side and price.
        self.taken: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._changed = changed

    def available(self, side: int, price: int) -> int:
        """Lots at a level that nobody is known to have taken."""
        return max(self.public.available(side, price) - self.taken[side].get(price, 0), 0)

    def walk(self, side: int, limit: int | None) -> Iterator[tuple[int, int]]:
        """(price, available lots) of `side` from the best price to `limit` (None: to the last visible level).

        Liquidity may be taken on the way; levels must stay as they are.
        """
        prices = self.public.prices[side]
        for price in reversed(prices) if side == BID else iter(prices):
            if limit is not None and (price < limit if side == BID else price > limit):
                return
            size = self.available(side, price)
            if size:
                yield price, size

    def ladder(self) -> Ladder:
        """The best levels of both sides as they are now, with what is left of each."""
        ladder, public = self.displayed(), self.public
        for side, rungs in ((BID, ladder.bids), (ASK, ladder.asks)):
            taken = self.taken[side]
            if taken or public.unsettled:
                prices = [price for price, _, _ in rungs]
                unsettled = public.unsettled_of(side, prices) if public.unsettled else ()
                for place, price in enumerate(prices):
                    if price in taken or price in unsettled:
                        rungs[place] = (price, rungs[place][1], self.available(side, price))
        return ladder

    def displayed(self) -> Ladder:
        """The best levels of both sides as the feed shows them, whatever was taken of them."""
        (bids, asks), (bid_prices, ask_prices) = self.public.levels, self.public.prices
        return Ladder(
            [(price, size, size) for price in bid_prices[: -LADDER_LEVELS - 1 : -1] for size in (bids[price],)],
            [(price, size, size) for price in ask_prices[:LADDER_LEVELS] for size in (asks[price],)],
        )

    def take(self, side: int, price: int, lots: int) -> None:
        """The account uses up `lots` of a level."""
        self.taken[side][price] = self.taken[side].get(price, 0) + lots
        self._changed(side, price)

    def restore(self, side: int, price: int, lots: int) -> None:
        """What a stored session had taken."""
        self.taken[side][price] = lots
        self._changed(side, price)

    def level_changed(self, side: int, price: int, size: int) -> None:
        """A level has a new size."""
        taken = self.taken[side]
        if price in taken and size < taken[price]:
            if size:
                taken[price] = size
            else:
                del taken[price]
            self._changed(side, price)

    def shown_anew(self) -> None:
        """A snapshot: what was taken stays taken as far as the level still shows it, or out of sight."""
        for side in (BID, ASK):
            levels, taken = self.public.levels[side], self.taken[side]
            for price in [price for price in taken if levels.get(price, 0) < taken[price]]:
                if price in levels:
                    taken[price] = levels[price]
                elif self.public.in_sight(side, price):
                    del taken[price]
                self._changed(side, price)


class TakenLiquidity:
    """What a session keeps of it: lots by symbol, side and price. `touch` takes these."""

    def __init__(self) -> None:
        self._books: dict[str, AccountBook] = {}
        self._touch: Touch = nobody

    def open(self, symbol: str, public: OrderBook, changed: Callable[[int, int], None]) -> AccountBook:
        """The book of one instrument. `changed` is told as well."""

        def told(side: int, price: int) -> None:
            self._touch(f"{symbol} {side} {price}")
            changed(side, price)

        book = self._books[symbol] = AccountBook(public, told)
        return book

    def register(self, parts: Parts) -> None:
        self._touch = parts.keyed("exchange.taken", int, self._taken, self._restore, self._keys)

    def _keys(self) -> Iterator[str]:
        for symbol, book in self._books.items():
            for side, levels in enumerate(book.taken):
                yield from (f"{symbol} {side} {price}" for price in levels)

    def _taken(self, key: str) -> int | None:
        symbol, side, price = key.split(" ")
        return self._books[symbol].taken[int(side)].get(int(price))

    def _restore(self, stored: Mapping[str, int]) -> None:
        for key, lots in stored.items():
            symbol, side, price = key.split(" ")
            self._books[symbol].restore(int(side), int(price), lots)
