"""A table of constant prices for tests. A mock price may value a balance; it never fills an order."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.quote import Quote, QuoteSource


class MockPriceSource:
    """Symbol to a price that never changes and is always as new as the question."""

    def __init__(self, prices: Mapping[str, Decimal]) -> None:
        for symbol, price in prices.items():
            if not (price.is_finite() and price > 0):
                raise InvalidValueError(f"the mock price of {symbol} must be above zero, this is {price}")
        self._prices = dict(prices)

    def quote(self, symbol: str, now_ns: int) -> Quote | None:
        """The price as last trade, without bid and ask, marked MOCK."""
        price = self._prices.get(symbol)
        if price is None:
            return None
        return Quote(symbol, None, None, price, None, None, now_ns, now_ns, QuoteSource.MOCK)
