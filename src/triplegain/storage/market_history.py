"""Stored prices of the past: closed candles and the public tape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, PublicTrade
from triplegain.domain.orders import Side
from triplegain.storage.database import Database

_STORE_CANDLE = """
INSERT INTO candles VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (symbol, length_ns, open_time_ns) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, trades = excluded.trades, source = excluded.source
"""
_STORE_TRADE = "INSERT INTO market_trades VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
#: Built from the longest stored length that divides the one asked for; one that is not over is left out.
_CANDLES = """
WITH base AS (
    SELECT max(length_ns) AS length FROM candles WHERE symbol = $1 AND length_ns <= $2 AND $2 % length_ns = 0
), latest AS (
    SELECT * FROM candles, base
    WHERE symbol = $1 AND length_ns = base.length AND open_time_ns < $3 / $2 * $2
    ORDER BY open_time_ns DESC LIMIT ($4 + 1) * ($2 / (SELECT length FROM base))
), parts AS (
    SELECT *, open_time_ns / $2 * $2 AS start FROM latest
)
SELECT start::bigint AS open_time_ns, (array_agg(open ORDER BY open_time_ns))[1] AS open, max(high) AS high,
       min(low) AS low, (array_agg(close ORDER BY open_time_ns DESC))[1] AS close, sum(volume) AS volume,
       sum(trades)::bigint AS trades
FROM parts GROUP BY start
HAVING start + $2 <= (SELECT max(open_time_ns + length_ns) FROM latest)
ORDER BY start DESC LIMIT $4
"""
_LATEST = """
SELECT price, time_ns::bigint FROM (
    (SELECT price, exchange_time_ns AS time_ns, 0 AS rank FROM market_trades
     WHERE symbol = $1 AND exchange_time_ns <= $2 ORDER BY exchange_time_ns DESC, trade_id DESC LIMIT 1)
    UNION ALL
    (SELECT close, open_time_ns + length_ns, 1 FROM candles
     WHERE symbol = $1 AND open_time_ns + length_ns <= $2 ORDER BY open_time_ns + length_ns DESC LIMIT 1)
) AS known ORDER BY time_ns DESC, rank LIMIT 1
"""
_END_OF_TIME_NS = 2**62


@dataclass(frozen=True, slots=True)
class StoredPrice:
    """The last price known of a symbol, and when it was made (market time)."""

    price: Decimal
    time_ns: int


class MarketHistory:
    """Methods raise StorageError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store_candles(self, instrument: Instrument, candles: Iterable[Candle], source: str) -> int:
        """Store closed candles; one that is stored already is replaced. Returns how many."""
        rows = [
            (
                instrument.symbol,
                candle.length_ns,
                candle.open_time_ns,
                instrument.price(candle.open),
                instrument.price(candle.high),
                instrument.price(candle.low),
                instrument.price(candle.close),
                instrument.quantity(candle.volume),
                candle.trades,
                source,
            )
            for candle in candles
        ]
        return await self._store("storing candles", _STORE_CANDLE, rows)

    async def store_trades(self, instrument: Instrument, trades: Iterable[PublicTrade], source: str) -> int:
        """Store trades of the tape; one that is stored already stays as it is. Returns how many were handed in."""
        rows = [
            (
                instrument.symbol,
                trade.exchange_time_ns,
                trade.trade_id,
                instrument.price(trade.price),
                instrument.quantity(trade.quantity),
                trade.side.label,
                source,
            )
            for trade in trades
        ]
        return await self._store("storing trades", _STORE_TRADE, rows)

    async def candles(
        self, instrument: Instrument, length_ns: int, *, before_ns: int | None = None, limit: int = 1000
    ) -> list[Candle]:
        """The last `limit` candles that closed by `before_ns`, oldest first.

        A length that is not stored is put together from the longest stored one that divides it.
        """
        before = _END_OF_TIME_NS if before_ns is None else before_ns
        found = await self._database.rows("reading candles", _CANDLES, instrument.symbol, length_ns, before, limit)
        return [_candle(instrument, length_ns, row) for row in reversed(found)]

    async def trades(self, instrument: Instrument, *, after_ns: int = -1, limit: int = 1000) -> list[PublicTrade]:
        """The first `limit` trades after a time, oldest first. `received_at_ns` is the exchange's time."""
        query = (
            "SELECT * FROM market_trades WHERE symbol = $1 AND exchange_time_ns > $2 "
            "ORDER BY exchange_time_ns, trade_id LIMIT $3"
        )
        found = await self._database.rows("reading trades", query, instrument.symbol, after_ns, limit)
        return [_trade(instrument, row) for row in found]

    async def latest_price(self, symbol: str, *, at_ns: int | None = None) -> StoredPrice | None:
        """The last trade or candle close known (up to `at_ns`); None if nothing is stored."""
        before = _END_OF_TIME_NS if at_ns is None else at_ns
        row = await self._database.row("reading the last price", _LATEST, symbol, before)
        return None if row is None else StoredPrice(row["price"], row["time_ns"])

    async def _store(self, doing: str, query: str, rows: Sequence[tuple[object, ...]]) -> int:
        async with self._database.transaction(doing) as connection:
            await connection.executemany(query, rows)
        return len(rows)


def _candle(instrument: Instrument, length_ns: int, row: Any) -> Candle:
    return Candle(
        symbol=instrument.symbol,
        open_time_ns=row["open_time_ns"],
        length_ns=length_ns,
        open=instrument.ticks(row["open"]),
        high=instrument.ticks(row["high"]),
        low=instrument.ticks(row["low"]),
        close=instrument.ticks(row["close"]),
        volume=instrument.lots(row["volume"]),
        trades=row["trades"],
    )


def _trade(instrument: Instrument, row: Any) -> PublicTrade:
    return PublicTrade(
        symbol=instrument.symbol,
        exchange_time_ns=row["exchange_time_ns"],
        received_at_ns=row["exchange_time_ns"],
        price=instrument.ticks(row["price"]),
        quantity=instrument.lots(row["quantity"]),
        side=Side.parse(row["side"]),
        trade_id=row["trade_id"],
    )
