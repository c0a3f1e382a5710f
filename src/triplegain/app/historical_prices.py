"""The price source's link to the stored history."""

from __future__ import annotations

from triplegain.domain.quote import Quote, QuoteSource
from triplegain.storage.market_history import MarketHistory


class StoredPrices:
    """The last stored price as a quote: as old as the moment until which nothing else is known to have happened."""

    def __init__(self, history: MarketHistory, venue: str = "kraken") -> None:
        self._history = history
        self._venue = venue

    async def latest(self, symbol: str, now_ns: int) -> Quote | None:
        """Not after that market time; None where nothing is stored. Raises StorageError."""
        found = await self._history.latest_price(symbol, venue=self._venue, at_ns=now_ns)
        if found is None:
            return None
        time = found.stands_until_ns
        return Quote(symbol, None, None, found.price, None, None, time, time, QuoteSource.HISTORICAL)
