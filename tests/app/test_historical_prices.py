"""What is stored of a market stands in where a live feed has no fresh price."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tests.session.sessions import START_NS, demo, settings_for

from triplegain.app import paper_system
from triplegain.app.paper_system import look_up_prices
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.quote import QuoteSource
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.errors import StorageError
from triplegain.storage.market_history import MarketHistory, StoredPrice


class _History(MarketHistory):
    """Knows one price of BTC/USDT, ten seconds old."""

    async def latest_price(self, symbol: str, *, venue: str = "kraken", at_ns: int | None = None) -> StoredPrice | None:
        then_ns = START_NS - 10 * SECOND_NS
        return StoredPrice(Decimal(60_000), then_ns, then_ns) if symbol == "BTC/USDT" else None


async def test_a_stored_price_stands_in_until_it_is_a_minute_old(database_url: str) -> None:
    session = TradingSession(settings_for(demo()))
    session.now_ns = session.exchange.now_ns = START_NS
    assert session.prices.mark("BTC/USDT") is None
    database = await Database.connect(database_url)
    looking = asyncio.create_task(look_up_prices(lambda: session, _History(database)))
    for _ in range(20):
        await asyncio.sleep(0)
    quote = session.prices.quote("BTC/USDT")
    assert quote is not None and (quote.source, quote.mark) == (QuoteSource.HISTORICAL, Decimal(60_000))
    assert session.prices.quote("XRP/USDT") is None
    # Ten seconds and fifty: a minute is fresh, a nanosecond more is not.
    fresh = []
    for session.exchange.now_ns in (START_NS + 50 * SECOND_NS, START_NS + 50 * SECOND_NS + 1):
        fresh.append(session.prices.mark("BTC/USDT"))
    assert fresh == [60_000, None]
    looking.cancel()
    await database.close()


async def test_a_database_that_is_away_is_asked_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_system, "_LOOK_UP_S", 0.0)

    class Away(_History):
        times = 0

        async def latest_price(self, symbol: str, **where: Any) -> StoredPrice | None:
            self.times += 1
            if self.times < 5:
                raise StorageError("the database is away")
            return await super().latest_price(symbol)

    session = TradingSession(settings_for(demo()))
    session.now_ns = session.exchange.now_ns = START_NS
    database = await Database.connect(database_url)
    looking = asyncio.create_task(look_up_prices(lambda: session, Away(database)))
    for _ in range(40):
        await asyncio.sleep(0)
    assert session.prices.mark("BTC/USDT") == 60_000 and not looking.done()
    looking.cancel()
    await database.close()
