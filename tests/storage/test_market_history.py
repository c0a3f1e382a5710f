"""Stored candles and trades."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import asyncpg
import pytest

from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.orders import Side
from triplegain.storage.database import Database
from triplegain.storage.errors import StorageError
from triplegain.storage.market_history import MarketHistory, StoredPrice

BTC, XRP, CROSS = KRAKEN_OFFLINE_DEFAULTS
MINUTE_NS = 60 * 10**9


@pytest.fixture
def history(database: Database) -> MarketHistory:
    return MarketHistory(database)


def candle(minute: int, close: int, volume: int = 100) -> Candle:
    return Candle("BTC/USDT", minute * MINUTE_NS, MINUTE_NS, 1000, max(1000, close), min(1000, close), close, volume, 2)


def trade(number: int, price: int) -> PublicTrade:
    at = number * MINUTE_NS
    return PublicTrade("BTC/USDT", at, at, price, 5, Side.SELL, f"t{number}")


async def test_candles_read_back_and_a_second_storing_replaces_them(history: MarketHistory) -> None:
    given = [candle(minute, 1000 + minute) for minute in range(5)]
    assert await history.store_candles(BTC, given, "kraken") == 5
    corrected = replace(given[4], volume=7)
    await history.store_candles(BTC, [corrected], "kraken")
    assert await history.candles(BTC, MINUTE_NS) == [*given[:4], corrected]
    assert await history.candles(BTC, MINUTE_NS, limit=2) == [given[3], corrected]
    # a candle counts once it has closed: the one of minute 2 closes at minute 3
    assert await history.candles(BTC, MINUTE_NS, before_ns=3 * MINUTE_NS + 1) == given[:3]
    assert await history.candles(XRP, MINUTE_NS) == []


async def test_a_longer_candle_is_put_together_from_shorter_ones(history: MarketHistory) -> None:
    await history.store_candles(BTC, [candle(minute, 1000 + minute) for minute in range(6)], "kraken")
    # minutes 0-2 close at 1002, minutes 3-5 at 1005; each has 3 x 100 lots in 3 x 2 trades
    assert await history.candles(BTC, 3 * MINUTE_NS) == [
        Candle("BTC/USDT", 0, 3 * MINUTE_NS, 1000, 1002, 1000, 1002, 300, 6),
        Candle("BTC/USDT", 3 * MINUTE_NS, 3 * MINUTE_NS, 1000, 1005, 1000, 1005, 300, 6),
    ]


async def test_a_longer_candle_that_is_not_over_is_left_out(history: MarketHistory) -> None:
    await history.store_candles(BTC, [candle(minute, 1000 + minute) for minute in range(5)], "kraken")
    assert [each.open_time_ns for each in await history.candles(BTC, 3 * MINUTE_NS)] == [0]


async def test_trades_are_stored_once_under_their_own_id(history: MarketHistory) -> None:
    given = [trade(1, 1000), trade(2, 1001)]
    await history.store_trades(BTC, given, "kraken")
    await history.store_trades(BTC, given, "kraken")
    assert await history.trades(BTC) == given
    assert await history.trades(BTC, after_ns=MINUTE_NS) == given[1:]


async def test_the_latest_price_is_the_newer_of_trade_and_candle_close(history: MarketHistory) -> None:
    assert await history.latest_price("BTC/USDT") is None
    await history.store_candles(BTC, [candle(4, 1007)], "kraken")
    # 1007 ticks of 0.1, at the close of minute 4
    assert await history.latest_price("BTC/USDT") == StoredPrice(Decimal("100.7"), 5 * MINUTE_NS)
    await history.store_trades(BTC, [trade(6, 1010)], "kraken")
    assert await history.latest_price("BTC/USDT") == StoredPrice(Decimal("101.0"), 6 * MINUTE_NS)
    assert await history.latest_price("BTC/USDT", at_ns=5 * MINUTE_NS) == StoredPrice(Decimal("100.7"), 5 * MINUTE_NS)


async def test_a_candle_whose_high_is_below_its_close_is_refused_with_all_of_its_batch(history: MarketHistory) -> None:
    with pytest.raises(StorageError) as refused:
        await history.store_candles(BTC, [candle(0, 1000), replace(candle(1, 1001), high=1000)], "kraken")
    assert isinstance(refused.value.__cause__, asyncpg.CheckViolationError)
    assert await history.candles(BTC, MINUTE_NS) == []
