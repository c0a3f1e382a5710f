"""Does the stored history hold together: trades against their numbers, minutes against trades, long against short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from triplegain.domain.candle_time import MINUTE_NS, TIMEFRAMES, candle_open_ns
from triplegain.domain.span import Span
from triplegain.storage.database import Database

#: So much of the history is compared at once.
_STEP_NS = 30 * 1440 * MINUTE_NS

_HOLES = """
SELECT before + 1 AS first, trade_number - 1 AS last, before_ns AS from_ns, exchange_time_ns AS to_ns,
       market_known($1, $2, 0) @> int8range(before_ns, exchange_time_ns, '[]') AS told FROM (
    SELECT trade_number, exchange_time_ns, lag(trade_number) OVER w AS before, lag(exchange_time_ns) OVER w AS before_ns
    FROM market_trades WHERE venue = $1 AND symbol = $2 AND trade_number IS NOT NULL
    WINDOW w AS (ORDER BY trade_number)) numbers
WHERE trade_number > before + 1 ORDER BY trade_number
"""
_MINUTES = """
WITH made AS (SELECT * FROM minutes_of_trades($1, $2, $3, $4)),
     kept AS (SELECT * FROM candles WHERE venue = $1 AND symbol = $2 AND length_ns = 60000000000
              AND open_time_ns >= $3 AND open_time_ns < $4)
SELECT coalesce(made.open_time_ns, kept.open_time_ns) AS time_ns
FROM made FULL JOIN kept USING (open_time_ns)
WHERE market_known($1, $2, 0) @> int8range(open_time_ns, open_time_ns + 60000000000)
    AND CASE WHEN kept.symbol IS NULL THEN true
             WHEN made.open IS NULL THEN kept.volume > 0
             ELSE kept.trades IS DISTINCT FROM made.trades
                 OR candles_differ(kept.open, kept.high, kept.low, kept.close, kept.volume,
                                   made.open, made.high, made.low, made.close, made.volume) END
ORDER BY time_ns
"""
_LONGER = """
WITH made AS (SELECT * FROM candles_from_base($1, $2, $5, 60000000000, $3, $4)),
     kept AS (SELECT * FROM candles WHERE venue = $1 AND symbol = $2 AND length_ns = $5
              AND open_time_ns >= $3 AND open_time_ns < $4)
SELECT coalesce(made.open_time_ns, kept.open_time_ns) AS time_ns
FROM made FULL JOIN kept USING (open_time_ns)
WHERE market_known($1, $2, 60000000000) @> int8range(open_time_ns, open_time_ns + $5)
    AND market_known($1, $2, $5) @> int8range(open_time_ns, open_time_ns + $5)
    AND CASE WHEN kept.symbol IS NULL THEN made.volume > 0
             WHEN made.open IS NULL THEN kept.volume > 0
             ELSE candles_differ(kept.open, kept.high, kept.low, kept.close, kept.volume,
                                 made.open, made.high, made.low, made.close, made.volume) END
ORDER BY time_ns
"""
_VIEWS = """
SELECT coalesce(a.open_time_ns, b.open_time_ns) AS time_ns
FROM candles_between($1, $2, $5, 60000000000, $3, $4) a
FULL JOIN candles_from_base($1, $2, $5, 60000000000, $3, $4) b USING (open_time_ns)
WHERE (a.open, a.high, a.low, a.close, a.volume, a.trades, a.minutes, round(a.vwap, 12)) IS DISTINCT FROM
      (b.open, b.high, b.low, b.close, b.volume, b.trades, b.minutes, round(b.vwap, 12))
ORDER BY time_ns
"""


@dataclass(frozen=True, slots=True)
class NumberHole:
    """Numbers that no stored trade has, between two that have one. `told`: the exchange does not have them either."""

    first: int
    last: int
    span: Span
    told: bool


class MarketAudit:
    """Reads everything and changes nothing. Methods raise StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def number_holes(self, venue: str, symbol: str) -> list[NumberHole]:
        found = await self._database.rows("looking for missing trades", _HOLES, venue, symbol)
        return [NumberHole(row["first"], row["last"], Span(row["from_ns"], row["to_ns"]), row["told"]) for row in found]

    async def minutes_unlike_trades(self, venue: str, symbol: str, span: Span) -> list[int]:
        """Opening times of minutes, known whole by their trades, that say something else or are missing."""
        return await self._compared(_MINUTES, venue, symbol, span, MINUTE_NS)

    async def candles_unlike_minutes(self, venue: str, symbol: str, length_ns: int, span: Span) -> list[int]:
        """Opening times of stored candles of a longer length whose minutes, known whole, make something else."""
        return await self._compared(_LONGER, venue, symbol, span, length_ns, length_ns)

    async def aggregates_unlike_minutes(self, venue: str, symbol: str, length_ns: int, span: Span) -> list[int]:
        """Opening times of candles that a continuous aggregate tells otherwise than the minutes it is made of."""
        return await self._compared(_VIEWS, venue, symbol, span, length_ns, length_ns)

    async def has_aggregates(self) -> bool:
        row = await self._database.row(
            "looking for TimescaleDB",
            "SELECT to_regclass('timescaledb_information.continuous_aggregates') IS NOT NULL AS there",
        )
        return row is not None and bool(row["there"])

    async def _compared(
        self, query: str, venue: str, symbol: str, span: Span, length_ns: int, *more: object
    ) -> list[int]:
        found: list[int] = []
        for part in _steps(span, length_ns):
            rows = await self._database.rows("comparing the history", query, venue, symbol, *part, *more)
            found += [row["time_ns"] for row in rows]
        return found


def _steps(span: Span, length_ns: int) -> Iterator[Span]:
    """The span in pieces of whole candles."""
    step = max(_STEP_NS, length_ns)
    start = candle_open_ns(span.from_ns, length_ns)
    while start < span.to_ns:
        end = candle_open_ns(start + step, length_ns)
        yield Span(start, end)
        start = end


#: The lengths that views make of minutes.
LONGER_TIMEFRAMES = {name: length for name, length in TIMEFRAMES.items() if length > MINUTE_NS}
