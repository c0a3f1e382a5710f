"""Figures of a session: always a query over what is stored, never a counter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.domain.orders import OrderStatus
from triplegain.domain.statement import HaltPeriod, halt_periods
from triplegain.storage.database import AnyConnection, Database

_ORDERS = "SELECT status::text, count(*) AS n FROM paper_orders WHERE session_id = $1 GROUP BY status ORDER BY status"
_FILLS = """
SELECT fee_asset, count(*) AS n, count(*) FILTER (WHERE maker) AS maker, sum(fee) AS fee
FROM paper_trades WHERE session_id = $1 GROUP BY fee_asset ORDER BY fee_asset
"""
_VOLUMES = """
SELECT symbol, sum(notional) AS notional FROM paper_trades WHERE session_id = $1 GROUP BY symbol ORDER BY symbol
"""
_POSITIONS = """
SELECT split_part(symbol, '/', 2) AS asset, count(*) AS n, count(closed_at_ns) AS closed,
       count(*) FILTER (WHERE closed_at_ns IS NOT NULL AND realised > 0) AS wins,
       count(*) FILTER (WHERE closed_at_ns IS NOT NULL AND realised < 0) AS losses,
       sum(realised) AS realised, sum(realised_usd) AS realised_usd,
       count(*) - count(realised_usd) AS without_usd
FROM paper_positions WHERE session_id = $1 GROUP BY asset ORDER BY asset
"""
_REASONS = """
SELECT symbol, outcome, reason, count(*) AS n, max(time_ns)::bigint AS last_time_ns
FROM paper_decisions, LATERAL unnest(CASE WHEN reasons = '{}' THEN ARRAY['no reason given'] ELSE reasons END) AS reason
WHERE session_id = $1 AND outcome <> 'sent'
GROUP BY symbol, outcome, reason ORDER BY n DESC, symbol, outcome, reason LIMIT $2
"""

_RISK = """
SELECT time_ns::bigint, state -> 'halts' AS halts FROM paper_risk_history WHERE session_id = $1 ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """`fees` and `realised` by asset, `volumes` by symbol in its quote currency.

    Wins and losses are closed positions above and below zero net of fees; break-even is neither. `realised_usd` is
    None where a position had no USD price.
    """

    orders: Mapping[OrderStatus, int]
    fills: int
    maker_fills: int
    fees: Mapping[str, Decimal]
    volumes: Mapping[str, Decimal]
    positions: int
    closed_positions: int
    wins: int
    losses: int
    realised: Mapping[str, Decimal]
    realised_usd: Decimal | None

    @property
    def orders_total(self) -> int:
        return sum(self.orders.values())


@dataclass(frozen=True, slots=True)
class UntradedReason:
    """How often `reason` kept `symbol` from being traded. A decision with two reasons counts under both."""

    symbol: str
    outcome: str
    reason: str
    count: int
    last_time_ns: int


async def statistics(database: Database, session_id: str) -> SessionStatistics:
    async with database.transaction("counting the session", snapshot=True) as connection:
        orders = await connection.fetch(_ORDERS, session_id)
        fills = await connection.fetch(_FILLS, session_id)
        volumes = await connection.fetch(_VOLUMES, session_id)
        positions = await connection.fetch(_POSITIONS, session_id)
    return SessionStatistics(
        orders={OrderStatus(row["status"]): row["n"] for row in orders},
        fills=_total(fills, "n"),
        maker_fills=_total(fills, "maker"),
        fees={row["fee_asset"]: row["fee"] for row in fills},
        volumes={row["symbol"]: row["notional"] for row in volumes},
        positions=_total(positions, "n"),
        closed_positions=_total(positions, "closed"),
        wins=_total(positions, "wins"),
        losses=_total(positions, "losses"),
        realised={row["asset"]: row["realised"] for row in positions},
        realised_usd=None
        if _total(positions, "without_usd")
        else sum((row["realised_usd"] for row in positions), Decimal(0)),
    )


async def untraded_reasons(database: Database, session_id: str, limit: int) -> list[UntradedReason]:
    async with database.transaction("reading why nothing was traded") as connection:
        return await untraded_reasons_of(connection, session_id, limit)


async def untraded_reasons_of(connection: AnyConnection, session_id: str, limit: int) -> list[UntradedReason]:
    """Within the caller's transaction."""
    found = await connection.fetch(_REASONS, session_id, limit)
    return [
        UntradedReason(row["symbol"], row["outcome"], row["reason"], row["n"], row["last_time_ns"]) for row in found
    ]


async def read_halts(connection: AnyConnection, session_id: str) -> tuple[HaltPeriod, ...]:
    """When risk opened nothing new, from the history of its state; within the caller's transaction."""
    return halt_periods(
        (row["time_ns"], [(kind, None if until is None else int(until), why) for kind, until, why in row["halts"]])
        for row in await connection.fetch(_RISK, session_id)
    )


def _total(rows: list[Any], column: str) -> int:
    return sum(row[column] for row in rows)
