"""The price source's link to the stored history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from triplegain.domain.quote import Quote, QuoteSource
from triplegain.session.trading_session import TradingSession
from triplegain.storage.errors import StorageError
from triplegain.storage.market_history import MarketHistory

_LOOK_UP_S = 5.0


async def stored_price(history: MarketHistory, symbol: str, now_ns: int) -> Quote | None:
    """The last stored price as a quote: as old as the moment until which nothing else is known to have happened.

    Not after that market time; None where nothing is stored. Raises StorageError.
    """
    found = await history.latest_price(symbol, venue="kraken", at_ns=now_ns)
    if found is None:
        return None
    time = found.stands_until_ns
    return Quote(symbol, None, None, found.price, None, None, time, time, QuoteSource.HISTORICAL)


async def look_up_prices(current: Callable[[], TradingSession], history: MarketHistory) -> None:
    """Until cancelled: where a live market has no fresh price, what is stored of it stands in, as long as that is
    fresh. A market that is played back has all its prices in itself, and the same ones at every run."""
    latest = partial(stored_price, history)
    while True:
        session = current()
        chain = session.prices.chain
        chain.historical = latest
        for symbol in session.exchange.markets:
            try:
                await chain.look_up(symbol, session.now_ns)
            except StorageError:
                # The runner meets it too, and halts with its words.
                return
        await asyncio.sleep(_LOOK_UP_S)
