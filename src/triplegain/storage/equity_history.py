"""Equity of a session over market time, beside buy-and-hold, with its worst drawdown: worked out by the database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.records import SessionRecord
from triplegain.domain.statement import Drawdown, Statement
from triplegain.domain.usd import cash_usd
from triplegain.domain.values import TIME_NS_MAX
from triplegain.storage.database import AnyConnection
from triplegain.storage.rows import read, read_all

#: Snapshots; of a session whose snapshots were rolled up, what stays of each hour. Within an hour the low comes before
#: the high: both orders are possible, and this one never overstates a drawdown.
_POINTS = """
WITH points AS MATERIALIZED (
    SELECT time_ns::bigint AS time_ns, number AS place, equity, buy_and_hold, realised_usd, unrealised_usd, fees_usd,
           false AS hourly
    FROM paper_portfolio_snapshots WHERE session_id = $1
    UNION ALL
    SELECT (extract(epoch FROM hour) * 1000000000)::bigint, place, value,
           CASE WHEN place = 3 THEN buy_and_hold END, realised_usd, unrealised_usd, fees_usd, true
    FROM paper_portfolio_hourly, LATERAL (
        VALUES (0, equity_first), (1, equity_low), (2, equity_high), (3, equity_last)) AS v (place, value)
    WHERE session_id = $1
)
"""
_MONEY = ("equity", "buy_and_hold", "realised_usd", "unrealised_usd", "fees_usd")
_EXTENT = f"""{_POINTS}
SELECT count(*) AS points, count(*) FILTER (WHERE equity IS NULL) AS unknown,
       coalesce(bool_or(hourly), false) AS hourly FROM points
"""
#: A snapshot is taken in the moment in which the opening balances are first valued: there buy-and-hold, which is these
#: balances, is worth exactly as much. Of a session that was rolled up, the first equity is what is left to go by.
_OPENING = f"""{_POINTS}
SELECT CASE WHEN hourly THEN equity ELSE buy_and_hold END FROM points
WHERE CASE WHEN hourly THEN equity ELSE buy_and_hold END IS NOT NULL ORDER BY time_ns, place LIMIT 1
"""
_LAST = f"{_POINTS} SELECT {', '.join(_MONEY)} FROM points ORDER BY time_ns DESC, place DESC LIMIT 1"
_KNOWN_UNTIL = f"""{_POINTS}
SELECT time_ns, equity, buy_and_hold FROM points
WHERE equity IS NOT NULL AND time_ns <= $2 AND (NOT hourly OR place = 0 OR time_ns + 3600000000000 <= $2)
ORDER BY time_ns DESC, place DESC LIMIT 1
"""
_CURVE = f"""{_POINTS}, span AS (SELECT min(time_ns) AS low, max(time_ns) AS high FROM points)
SELECT DISTINCT ON (bucket) time_ns, equity, buy_and_hold
FROM (SELECT points.*, width_bucket(time_ns, low::numeric, high + 1::numeric, $2) AS bucket FROM points, span) AS b
ORDER BY bucket, time_ns DESC, place DESC
"""
_DRAWDOWN = f"""{_POINTS}, peaks AS (
    SELECT time_ns, place, equity, max(equity) OVER (ORDER BY time_ns, place) AS peak FROM points
    WHERE equity IS NOT NULL
)
SELECT t.peak, t.equity AS trough, t.time_ns AS trough_at_ns,
       (SELECT max(p.time_ns) FROM peaks p WHERE p.equity = t.peak AND p.time_ns <= t.time_ns) AS peak_at_ns
FROM peaks t WHERE t.peak > 0 ORDER BY (t.peak - t.equity) / t.peak DESC, t.time_ns, t.place LIMIT 1
"""


class EquityPoint(msgspec.Struct, frozen=True):
    """In USD at a market time; None where an asset had no fresh price."""

    time_ns: int
    equity: Decimal | None
    buy_and_hold: Decimal | None


class EquityHistory(Statement, frozen=True, kw_only=True):
    """The statement as of the latest snapshot, and how it came to it. `curve` is thinned to evenly spaced points of
    market time; everything else is over all snapshots.

    `last` is the latest snapshot, known or not, and `last_known` the latest whose equity is known. `hourly`: the
    snapshots of this ended session have been rolled up, so the drawdown is that of hours and the real one may be
    deeper.
    """

    last: EquityPoint | None
    last_known: EquityPoint | None
    curve: tuple[EquityPoint, ...]
    snapshots: int
    unknown_snapshots: int
    hourly: bool


async def read_statement(connection: AnyConnection, record: SessionRecord) -> Statement:
    """As of the latest snapshot, within the caller's transaction. The drawdown is left out: it takes all of them."""
    return Statement(**await _figures(connection, record), drawdown=None)


async def read_equity_history(connection: AnyConnection, record: SessionRecord, points_max: int) -> EquityHistory:
    """Within the caller's transaction."""
    session_id = record.session_id
    extent = await connection.fetchrow(_EXTENT, session_id)
    curve = read_all(EquityPoint, await connection.fetch(_CURVE, session_id, points_max))
    drawdown = await connection.fetchrow(_DRAWDOWN, session_id)
    return EquityHistory(
        **await _figures(connection, record),
        drawdown=drawdown and read(Drawdown, drawdown),
        last=curve[-1] if curve else None,
        last_known=await read_point_before(connection, session_id, TIME_NS_MAX),
        curve=curve,
        snapshots=extent["points"],
        unknown_snapshots=extent["unknown"],
        hourly=extent["hourly"],
    )


async def read_point_before(connection: AnyConnection, session_id: str, time_ns: int) -> EquityPoint | None:
    """The latest known equity up to a market time; None where there is none."""
    row = await connection.fetchrow(_KNOWN_UNTIL, session_id, time_ns)
    return None if row is None else read(EquityPoint, row)


async def _figures(connection: AnyConnection, record: SessionRecord) -> dict[str, Any]:
    """A `Statement` but for its drawdown. Dollars are worth what they are, whenever they were first looked at."""
    session_id = record.session_id
    opening = cash_usd(record.initial_balances)
    last = await connection.fetchrow(_LAST, session_id)
    return {
        **(dict.fromkeys(_MONEY) if last is None else last),
        "opening": await connection.fetchval(_OPENING, session_id) if opening is None else opening,
    }
