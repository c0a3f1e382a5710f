"""Trades that cannot have been: a slip of a feed must sell nothing and fill nothing.

A print is doubted where its price is below half or above twice of everything known (last trade, best bid, best ask), or
where its quantity is more than a million times all that the book shows. Nothing believes a doubted print. Quotes that
follow make the next one plausible; where there is no book to ask, so do ten in a row that agree with one another.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from triplegain.exchange.book import OrderBook

_PRICE_FACTOR = 2
_QUANTITY_FACTOR = 1_000_000
_AGREEING = 10


class DoubtsSeen(msgspec.Struct, frozen=True):
    """Doubted prints in a row that agree with one another, and the price of the first of them in ticks."""

    in_a_row: int = 0
    price: int = 0


class PrintCheck:
    """Of one market. `book` is empty where a market has none."""

    def __init__(self, book: OrderBook) -> None:
        self._book = book
        self.doubts = DoubtsSeen()

    def believes(self, price: int, lots: int, last: int | None, has_book: bool) -> bool:
        """Whether a print may count; `has_book`: the book shows the market as it is. Each print is asked about once."""
        if lots > _QUANTITY_FACTOR and self._is_too_large(lots):
            return False
        if last is None or not _is_near(price, last):
            known = [each for each in (last, self._book.best(0), self._book.best(1)) if each is not None]
            if known and not any(_is_near(price, each) for each in known):
                return self._is_confirmed(price) and not has_book
        if self.doubts.in_a_row:
            self.doubts = DoubtsSeen()
        return True

    def is_plain(self, price: int, lots: int, last: int | None) -> bool:
        """Whether it is believed at once, and changes no doubt."""
        if last is None or self.doubts.in_a_row or not _is_near(price, last):
            return False
        return lots <= _QUANTITY_FACTOR or not self._is_too_large(lots)

    def are_plain(self, span: tuple[int, int], lots: int, last: int | None, shown: Iterable[int]) -> bool:
        """The same of several: from the lowest price to the highest, none larger than `lots`, while the book shows at
        least one of `shown`, whichever."""
        if last is None or self.doubts.in_a_row or not _is_near(min(span[0], last), max(span[1], last)):
            return False
        return lots <= _QUANTITY_FACTOR or any(lots <= each * _QUANTITY_FACTOR for each in shown)

    def _is_too_large(self, lots: int) -> bool:
        bids, asks = self._book.levels
        (bid_prices, ask_prices), most = self._book.prices, -(-lots // _QUANTITY_FACTOR)
        # The best alone decides nearly always.
        if (bid_prices and bids[bid_prices[-1]] >= most) or (ask_prices and asks[ask_prices[0]] >= most):
            return False
        shown = sum(bids.values()) + sum(asks.values())
        return 0 < _QUANTITY_FACTOR * shown < lots

    def _is_confirmed(self, price: int) -> bool:
        before = self.doubts
        in_a_row = before.in_a_row + 1 if before.in_a_row and _is_near(price, before.price) else 1
        self.doubts = DoubtsSeen(in_a_row, before.price if in_a_row > 1 else price)
        return in_a_row >= _AGREEING


def _is_near(price: int, reference: int) -> bool:
    return reference <= price * _PRICE_FACTOR and price <= reference * _PRICE_FACTOR
