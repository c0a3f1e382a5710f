"""Equity of a session over market time, beside buy-and-hold, with its worst drawdown: worked out by the database."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.domain.money import EXACT, divide
from triplegain.storage.database import AnyConnection

#: Snapshots; of a session whose snapshots were rolled up, what stays of each hour. Within an hour the low comes before
#: the high: both orders are possible, and this one never overstates a drawdown.
_POINTS = """
WITH points AS MATERIALIZED (
    SELECT time_ns::bigint AS time_ns, number AS place, equity, buy_and_hold, false AS hourly
    FROM paper_portfolio_snapshots WHERE session_id = $1
    UNION ALL
    SELECT (extract(epoch FROM hour) * 1000000000)::bigint, place, value,
           CASE WHEN place = 3 THEN buy_and_hold END, true
    FROM paper_portfolio_hourly, LATERAL (
        VALUES (0, equity_first), (1, equity_low), (2, equity_high), (3, equity_last)) AS v (place, value)
    WHERE session_id = $1
)
"""
#: At the snapshot that first values the opening balances, buy-and-hold is worth exactly as much as they are.
_EXTENT = f"""{_POINTS}
SELECT count(*) AS points, count(*) FILTER (WHERE equity IS NULL) AS unknown,
       coalesce(bool_or(hourly), false) AS hourly,
       (array_agg(worth ORDER BY time_ns, place) FILTER (WHERE worth IS NOT NULL))[1] AS opening
FROM (SELECT *, CASE WHEN hourly THEN equity ELSE buy_and_hold END AS worth FROM points) AS p
"""
_CURVE = f"""{_POINTS}, span AS (SELECT min(time_ns) AS low, max(time_ns) AS high FROM points)
SELECT DISTINCT ON (bucket) time_ns, equity, buy_and_hold
FROM (SELECT points.*, width_bucket(time_ns, low::numeric, high + 1::numeric, $2) AS bucket FROM points, span) AS b
ORDER BY bucket, time_ns DESC, place DESC
"""
_LAST_KNOWN = f"""{_POINTS}
SELECT time_ns, equity, buy_and_hold FROM points WHERE equity IS NOT NULL ORDER BY time_ns DESC, place DESC LIMIT 1
"""
_DRAWDOWN = f"""{_POINTS}, peaks AS (
    SELECT time_ns, place, equity, max(equity) OVER (ORDER BY time_ns, place) AS peak FROM points
    WHERE equity IS NOT NULL
)
SELECT t.peak, t.equity AS trough, t.time_ns AS trough_at_ns,
       (SELECT max(p.time_ns) FROM peaks p WHERE p.equity = t.peak AND p.time_ns <= t.time_ns) AS peak_at_ns
FROM peaks t WHERE t.peak > 0 ORDER BY (t.peak - t.equity) / t.peak DESC, t.time_ns, t.place LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """In USD at a market time; None where an asset had no fresh price."""

    time_ns: int
    equity: Decimal | None
    buy_and_hold: Decimal | None


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a peak, in USD. Peak and trough are the same where equity never fell."""

    peak: Decimal
    peak_at_ns: int
    trough: Decimal
    trough_at_ns: int

    @property
    def percent(self) -> Decimal:
        """Of the peak; 0 or above."""
        return divide(EXACT.subtract(self.peak, self.trough) * 100, self.peak)


@dataclass(frozen=True, slots=True)
class EquityHistory:
    """`curve` is thinned to evenly spaced points of market time; everything else is over all snapshots.

    `opening` is the value of the opening balances once all of them had a price; `last` is the latest snapshot, known
    or not, and `last_known` the latest whose equity is known. `hourly`: the snapshots of this ended session have been
    rolled up, so the drawdown is that of hours and the real one may be deeper.
    """

    opening: Decimal | None
    last: EquityPoint | None
    last_known: EquityPoint | None
    drawdown: Drawdown | None
    curve: tuple[EquityPoint, ...]
    snapshots: int
    unknown_snapshots: int
    hourly: bool

    @property
    def profit(self) -> Decimal | None:
        """Latest less opening equity."""
        return _difference(self.last.equity if self.last else None, self.opening)

    @property
    def profit_percent(self) -> Decimal | None:
        return percent_of(self.profit, self.opening)

    @property
    def buy_and_hold_profit(self) -> Decimal | None:
        return _difference(self.last.buy_and_hold if self.last else None, self.opening)

    @property
    def buy_and_hold_percent(self) -> Decimal | None:
        return percent_of(self.buy_and_hold_profit, self.opening)

    @property
    def ahead_of_holding(self) -> Decimal | None:
        """Latest equity less buy-and-hold."""
        return _difference(self.last.equity, self.last.buy_and_hold) if self.last else None


def percent_of(part: Decimal | None, whole: Decimal | None) -> Decimal | None:
    """None where either is unknown or `whole` is zero."""
    return divide(part * 100, whole) if part is not None and whole else None


def _difference(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else EXACT.subtract(one, other)


async def read_equity_history(connection: AnyConnection, session_id: str, points_max: int) -> EquityHistory:
    """Within the caller's transaction."""
    extent = await connection.fetchrow(_EXTENT, session_id)
    curve = [_point(row) for row in await connection.fetch(_CURVE, session_id, points_max)]
    known = await connection.fetchrow(_LAST_KNOWN, session_id)
    drawdown = await connection.fetchrow(_DRAWDOWN, session_id)
    return EquityHistory(
        opening=extent["opening"],
        last=curve[-1] if curve else None,
        last_known=None if known is None else _point(known),
        drawdown=None
        if drawdown is None
        else Drawdown(drawdown["peak"], drawdown["peak_at_ns"], drawdown["trough"], drawdown["trough_at_ns"]),
        curve=tuple(curve),
        snapshots=extent["points"],
        unknown_snapshots=extent["unknown"],
        hourly=extent["hourly"],
    )


def _point(row: Any) -> EquityPoint:
    return EquityPoint(row["time_ns"], row["equity"], row["buy_and_hold"])
