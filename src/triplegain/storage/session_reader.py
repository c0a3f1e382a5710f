"""Stored sessions, read: for the API, the report and the terminal.

Pages are cut by a cursor, never by an offset: pass the number of the last row you have as `after`. Filters work in
the query, before the limit. `newest_first` walks the other way, from the end or from before `after`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.agent_records import (
    AlertRecord,
    AnalysisRecord,
    HodlRecord,
    OutcomeRecord,
    RiskRecord,
    VoteRecord,
)
from triplegain.domain.exchange_events import OrderAmended, OrderFilled, OrderPriced, OrderTriggered
from triplegain.domain.money import divide
from triplegain.domain.queue_path import QueuePoint
from triplegain.domain.records import (
    BalanceRecord,
    DecisionRecord,
    OrderRecord,
    PortfolioSnapshot,
    PositionRecord,
    SessionRecord,
)
from triplegain.domain.statement import HaltPeriod, halt_periods
from triplegain.domain.told_fills import CostParts, FillTotals
from triplegain.storage import rows
from triplegain.storage.database import AnyConnection, Database
from triplegain.storage.joint_question import JointQuestion
from triplegain.storage.rows import READING, Pages
from triplegain.storage.session_hashes import FILLS, LEDGER, SessionHashes, canonical_line
from triplegain.storage.session_store import SESSION_QUERY, session_row

_VOTES_MAX = 100_000
#: From the last task and symbol to the first, one step down the index for each, however many rows they have.
_LATEST_ANALYSES = """
WITH RECURSIVE latest AS (
    (SELECT * FROM paper_analyses WHERE session_id = $1 ORDER BY task DESC, symbol DESC, number DESC LIMIT 1)
    UNION ALL
    SELECT next.* FROM latest, LATERAL (
        SELECT * FROM paper_analyses a WHERE a.session_id = $1 AND (a.task, a.symbol) < (latest.task, latest.symbol)
        ORDER BY a.task DESC, a.symbol DESC, a.number DESC LIMIT 1) next)
SELECT * FROM latest ORDER BY task, symbol
"""
_FEES = """
SELECT fee_asset, count(*) AS n, sum(fee) AS fee FROM paper_trades WHERE session_id = $1 GROUP BY fee_asset ORDER BY 1
"""
_TOTALS = """
SELECT count(*) AS fills, count(parts) AS known, sum(price * quantity) AS worth, sum(quantity) AS quantity,
       sum((parts ->> 'delay')::numeric) AS delay, sum((parts ->> 'spread')::numeric) AS spread,
       sum((parts ->> 'impact')::numeric) AS impact, sum((parts ->> 'fee')::numeric) AS fee
FROM (SELECT price, quantity, nullif(explanation -> 'shortfall', 'null') AS parts FROM paper_trades
      WHERE session_id = $1 AND order_number = $2) AS t
"""
_ASKED = """
SELECT details ->> 'stop' AS stop, details ->> 'target' AS target FROM security_events
WHERE kind = 'paper_trade' AND session_id = $1 AND details ->> 'client_order_id' = $2 ORDER BY event_number LIMIT 1
"""
_NAMED = """
SELECT o.* FROM unnest($1::text[], $2::text[]) AS n (session_id, client_order_id)
JOIN paper_orders o USING (session_id, client_order_id)
"""
_REPRICINGS = """
SELECT session_id, sequence, kind, order_number, time_ns::bigint, visible_at_ns::bigint, event FROM paper_order_events
WHERE session_id = $1 AND kind IN ('amended', 'priced', 'triggered') ORDER BY sequence
"""
_RISK = """
SELECT time_ns::bigint, state -> 'halts' AS halts FROM paper_risk_history WHERE session_id = $1 ORDER BY number
"""


class SessionStatistics(msgspec.Struct, frozen=True):
    """Always a query over what is stored, never a counter. `fees` by asset."""

    orders: int
    fills: int
    fees: Mapping[str, Decimal]


class SessionReader:
    """Every method raises StorageError when the database fails; an unknown session simply has no rows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._named = JointQuestion(self._orders_named)
        self.orders = Pages(
            database, rows.order_record, "paper_orders", "order_number", "symbol",
            status="status = ANY ({}::order_status[])",
        )  # fmt: skip
        self.fills = Pages(database, OrderFilled, "paper_trades", "fill_number", "symbol", "order_number", "fill_id")
        #: What the exchange answered about orders, but for fills, whose explanations stand with them.
        self.answers = Pages(
            database, rows.exchange_event, "paper_order_events", "sequence", "order_number",
            kinds="kind = ANY ({}::text[])",
        )  # fmt: skip
        #: The path of the queue in front of one order.
        self.queue_points = Pages(database, QueuePoint, "paper_queue_points", "point", "order_number")
        #: By the number of the order that opened them; without `closed` those that are open only.
        self.positions = Pages(
            database, PositionRecord, "paper_positions", "entry_order_number", "symbol",
            closed="({}::boolean OR closed_at_ns IS NULL)",
        )  # fmt: skip
        self.decisions = Pages(database, DecisionRecord, "paper_decisions", "number", "symbol", "outcome")
        self.analyses = Pages(database, AnalysisRecord, "paper_analyses", "number", "task", "symbol")
        #: Also those that came too late to count for a decision.
        self.votes = Pages(
            database, VoteRecord, "paper_votes", "number", "model",
            decision_numbers="decision_number = ANY ({}::bigint[])",
        )  # fmt: skip
        self.outcomes = Pages(database, OutcomeRecord, "paper_outcomes", "vote_number")
        self.alerts = Pages(database, AlertRecord, "paper_alerts", "number", "kind")
        self.hodl = Pages(database, HodlRecord, "paper_hodl", "number", "asset")
        #: Each change of risk's state, with the whole state after it.
        self.risk = Pages(database, RiskRecord, "paper_risk_history", "number")
        #: The equity curve.
        self.portfolio_snapshots = Pages(database, PortfolioSnapshot, "paper_portfolio_snapshots", "number")

    async def list_sessions(
        self, *, include_ended: bool = True, limit: int = 1000, only: Collection[str] | None = None
    ) -> list[SessionRecord]:
        """Latest first; all there are, or of these ids."""
        found = await self._database.rows(
            "listing the sessions",
            SESSION_QUERY + "WHERE ($1 OR s.status <> 'ended') AND ($3::text[] IS NULL OR s.session_id = ANY ($3)) "
            "ORDER BY t.recorded_at DESC, s.created_at DESC LIMIT $2",
            include_ended,
            limit,
            only if only is None else list(only),
        )
        return [rows.read(SessionRecord, row) for row in found]

    async def session(self, session_id: str) -> SessionRecord:
        """Raises SessionNotFoundError."""
        async with self._database.transaction(READING) as connection:
            return rows.read(SessionRecord, await session_row(connection, session_id))

    async def balances(self, session_id: str) -> list[BalanceRecord]:
        query = "SELECT * FROM paper_balances WHERE session_id = $1 ORDER BY asset"
        return [rows.read(BalanceRecord, row) for row in await self._database.rows(READING, query, session_id)]

    async def order_named(self, session_id: str, client_order_id: str) -> OrderRecord | None:
        """The order that a client gave this id. Who asks while others do shares a query with them."""
        return await self._named.answer((session_id, client_order_id))

    async def _orders_named(self, names: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], OrderRecord]:
        sessions, ids = zip(*names, strict=True)
        found = await self._database.rows(READING, _NAMED, sessions, ids)
        return {(row["session_id"], row["client_order_id"]): rows.order_record(row) for row in found}

    async def order(
        self, session_id: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> OrderRecord | None:
        """One order by the id the client gave it, or by the exchange's."""
        column, value = ("order_id", order_id) if client_order_id is None else ("client_order_id", client_order_id)
        query = f"SELECT * FROM paper_orders WHERE session_id = $1 AND {column} = $2"
        row = await self._database.row(READING, query, session_id, value)
        return None if row is None else rows.order_record(row)

    async def order_ids(self, session_id: str, numbers: Collection[int]) -> Mapping[int, str]:
        """The exchange's ids of orders, by their numbers."""
        query = "SELECT order_number, order_id FROM paper_orders WHERE session_id = $1 AND order_number = ANY ($2)"
        found = await self._database.rows(READING, query, session_id, list(numbers))
        return {row["order_number"]: row["order_id"] for row in found}

    async def fill_totals(self, session_id: str, order_number: int) -> FillTotals:
        """How many fills an order has, and what they cost together."""
        row = await self._database.row(READING, _TOTALS, session_id, order_number)
        assert row is not None
        fills = row["fills"]
        average = divide(row["worth"], row["quantity"]) if fills else None
        return FillTotals(fills, average, rows.read(CostParts, row) if fills and row["known"] == fills else None)

    async def asked_protection(
        self, session_id: str, client_order_id: str
    ) -> tuple[Decimal | None, Decimal | None] | None:
        """Stop and target with which a client order id was first used by hand; None where nobody has."""
        row = await self._database.row(READING, _ASKED, session_id, client_order_id)
        if row is None:
            return None
        stop, target = (None if value is None else Decimal(value) for value in (row["stop"], row["target"]))
        return stop, target

    async def repricings(self, session_id: str) -> list[OrderAmended | OrderPriced | OrderTriggered]:
        """Each time an order was amended, fired or came to its own price, in the order of the events."""
        found = await self._database.rows(READING, _REPRICINGS, session_id)
        return [_repricing({**row["event"], **row}) for row in found]

    async def votes_of(self, session_id: str, decisions: Collection[DecisionRecord]) -> Mapping[int, list[VoteRecord]]:
        """All votes that counted, by the number of the decision; none where nobody voted."""
        numbers = [each.number for each in decisions]
        found: defaultdict[int, list[VoteRecord]] = defaultdict(list)
        for vote in await self.votes(session_id, decision_numbers=numbers, limit=_VOTES_MAX):
            assert vote.decision_number is not None
            found[vote.decision_number].append(vote)
        return found

    async def latest_analyses(self, session_id: str) -> list[AnalysisRecord]:
        """The last of each task and symbol, by task and symbol."""
        found = await self._database.rows(READING, _LATEST_ANALYSES, session_id)
        return [rows.read(AnalysisRecord, row) for row in found]

    async def statistics(self, session_id: str) -> SessionStatistics:
        """Counts and sums over what is stored, all of one moment."""
        async with self._database.transaction("counting the session", snapshot=True) as connection:
            orders = await connection.fetchval("SELECT count(*) FROM paper_orders WHERE session_id = $1", session_id)
            fees = await connection.fetch(_FEES, session_id)
        return SessionStatistics(orders, sum(row["n"] for row in fees), {row["fee_asset"]: row["fee"] for row in fees})

    async def halts(self, session_id: str) -> tuple[HaltPeriod, ...]:
        """When risk opened nothing new, in order of their beginnings."""
        async with self._database.transaction(READING) as connection:
            return await read_halts(connection, session_id)

    async def canonical_lines(self, query: str, session_id: str) -> AsyncIterator[bytes]:
        """A line for each row of FILLS or LEDGER, in order; through a cursor: a long session is never in memory."""
        async with self._database.transaction(READING, snapshot=True) as connection:
            async for row in connection.cursor(query, session_id, prefetch=1000):
                yield canonical_line(row)

    async def hashes(self, session_id: str) -> SessionHashes:
        """SHA-256 over the canonical lines of the whole session: equal runs have equal hashes."""
        hashes = []
        for query in (FILLS, LEDGER):
            found = hashlib.sha256()
            async for line in self.canonical_lines(query, session_id):
                found.update(line + b"\n")
            hashes.append(found.hexdigest())
        return SessionHashes(*hashes)


def _repricing(row: Mapping[str, Any]) -> OrderAmended | OrderPriced | OrderTriggered:
    match row["kind"]:
        case "amended":
            return rows.read(OrderAmended, row)
        case "triggered":
            return rows.read(OrderTriggered, row)
        case _:
            return rows.read(OrderPriced, row)


async def read_halts(connection: AnyConnection, session_id: str) -> tuple[HaltPeriod, ...]:
    """When risk opened nothing new, from the history of its state; within the caller's transaction."""
    return halt_periods(
        (row["time_ns"], [(kind, None if until is None else int(until), why) for kind, until, why in row["halts"]])
        for row in await connection.fetch(_RISK, session_id)
    )
