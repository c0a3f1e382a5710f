"""Trades and candles as the tests of timeframes write them."""

from __future__ import annotations

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.orders import Side

SYMBOL = "BTC/USDT"
MINUTE = 60 * SECOND_NS
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def trade(time_ns: int, price: int, quantity: int = 1) -> PublicTrade:
    return PublicTrade(SYMBOL, time_ns, time_ns, price, quantity, Side.BUY)


def candle(
    open_time_ns: int, prices: tuple[int, int, int, int], volume: int, trades: int = 0, length_ns: int = MINUTE
) -> Candle:
    return Candle(SYMBOL, open_time_ns, length_ns, *prices, volume, trades)


def flat(open_time_ns: int, price: int, length_ns: int = MINUTE) -> Candle:
    return candle(open_time_ns, (price,) * 4, 0, 0, length_ns)
