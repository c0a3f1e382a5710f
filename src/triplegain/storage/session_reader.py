"""Stored sessions, read: for the API, the report and the terminal.

Pages are cut by a cursor, never by an offset: pass the number of the last row you have as `after`. Filters work in
the query, before the limit. `newest_first` walks the other way, from the end or from before `after`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import (
    BalanceRecord,
    DecisionRecord,
    OrderRecord,
    PortfolioSnapshot,
    PositionRecord,
    SessionRecord,
)
from triplegain.domain.statement import HaltPeriod
from triplegain.storage import rows
from triplegain.storage.errors import SessionNotFoundError
from triplegain.storage.mind_reader import MindReader
from triplegain.storage.pages import READING, Page, read_page
from triplegain.storage.session_hashes import FILLS, LEDGER, LineHash, SessionHashes, canonical_fill, canonical_line
from triplegain.storage.session_statistics import (
    SessionStatistics,
    UntradedReason,
    read_halts,
    statistics,
    untraded_reasons,
)
from triplegain.storage.session_store import SESSION_QUERY


class SessionReader(MindReader):
    """Every method raises StorageError when the database fails; an unknown session simply has no rows."""

    async def list_sessions(self, *, include_ended: bool = True, limit: int = 1000) -> list[SessionRecord]:
        """Latest first."""
        found = await self._database.rows(
            "listing the sessions",
            SESSION_QUERY + "WHERE $1 OR s.status <> 'ended' ORDER BY t.recorded_at DESC, s.created_at DESC LIMIT $2",
            include_ended,
            limit,
        )
        return [rows.read(SessionRecord, row) for row in found]

    async def session(self, session_id: str) -> SessionRecord:
        """Raises SessionNotFoundError."""
        row = await self._database.row(READING, SESSION_QUERY + "WHERE s.session_id = $1", session_id)
        if row is None:
            raise SessionNotFoundError(f"there is no session {session_id}: `session list` shows those there are")
        return rows.read(SessionRecord, row)

    async def balances(self, session_id: str) -> list[BalanceRecord]:
        query = "SELECT * FROM paper_balances WHERE session_id = $1 ORDER BY asset"
        return [rows.read(BalanceRecord, row) for row in await self._database.rows(READING, query, session_id)]

    async def orders(
        self,
        session_id: str,
        *,
        statuses: Collection[OrderStatus] | None = None,
        symbol: str | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[OrderRecord]:
        """Cursor: the order number."""
        where = "($4::order_status[] IS NULL OR status = ANY ($4)) AND ($5::text IS NULL OR symbol = $5)"
        page = Page("paper_orders", "order_number", where, after, limit, newest_first)
        words = None if statuses is None else [status.value for status in statuses]
        return await read_page(self._database, rows.order_record, page, session_id, words, symbol)

    async def order(
        self, session_id: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> OrderRecord | None:
        """One order by the id the client gave it, or by the exchange's."""
        column, value = ("order_id", order_id) if client_order_id is None else ("client_order_id", client_order_id)
        query = f"SELECT * FROM paper_orders WHERE session_id = $1 AND {column} = $2"
        row = await self._database.row(READING, query, session_id, value)
        return None if row is None else rows.order_record(row)

    async def fills(
        self,
        session_id: str,
        *,
        symbol: str | None = None,
        order_number: int | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[OrderFilled]:
        """Cursor: the fill number."""
        where = "($4::text IS NULL OR symbol = $4) AND ($5::bigint IS NULL OR order_number = $5)"
        page = Page("paper_trades", "fill_number", where, after, limit, newest_first)
        return await read_page(self._database, OrderFilled, page, session_id, symbol, order_number)

    async def positions(
        self,
        session_id: str,
        *,
        open_only: bool = False,
        symbol: str | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[PositionRecord]:
        """Cursor: the entry order's number."""
        where = "(NOT $4 OR closed_at_ns IS NULL) AND ($5::text IS NULL OR symbol = $5)"
        page = Page("paper_positions", "entry_order_number", where, after, limit, newest_first)
        return await read_page(self._database, PositionRecord, page, session_id, open_only, symbol)

    async def decisions(
        self,
        session_id: str,
        *,
        symbol: str | None = None,
        outcome: str | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[DecisionRecord]:
        """Cursor: the decision's number."""
        where = "($4::text IS NULL OR symbol = $4) AND ($5::text IS NULL OR outcome = $5)"
        page = Page("paper_decisions", "number", where, after, limit, newest_first)
        return await read_page(self._database, DecisionRecord, page, session_id, symbol, outcome)

    async def portfolio_snapshots(
        self, session_id: str, *, after: int | None = None, limit: int = 1000, newest_first: bool = False
    ) -> list[PortfolioSnapshot]:
        """The equity curve. Cursor: the snapshot's number."""
        page = Page("paper_portfolio_snapshots", "number", "true", after, limit, newest_first)
        return await read_page(self._database, PortfolioSnapshot, page, session_id)

    async def statistics(self, session_id: str) -> SessionStatistics:
        """Counts and sums over what is stored, all of one moment."""
        return await statistics(self._database, session_id)

    async def halts(self, session_id: str) -> tuple[HaltPeriod, ...]:
        """When risk opened nothing new, in order of their beginnings."""
        async with self._database.transaction(READING) as connection:
            return await read_halts(connection, session_id)

    async def untraded_reasons(self, session_id: str, *, limit: int = 100) -> list[UntradedReason]:
        """Why nothing was sent, most frequent first."""
        return await untraded_reasons(self._database, session_id, limit)

    async def iter_fills_canonical(self, session_id: str) -> AsyncIterator[bytes]:
        """One canonical JSON line for each fill, in order."""
        async for row in self._stream(FILLS, session_id):
            yield canonical_fill(row)

    async def iter_ledger_canonical(self, session_id: str) -> AsyncIterator[bytes]:
        """One canonical JSON line for each ledger entry, in order."""
        async for row in self._stream(LEDGER, session_id):
            yield canonical_line(row)

    async def hashes(self, session_id: str) -> SessionHashes:
        """SHA-256 over the canonical lines of the whole session: equal runs have equal hashes."""
        fills, ledger = LineHash(), LineHash()
        async for line in self.iter_fills_canonical(session_id):
            fills.add(line)
        async for line in self.iter_ledger_canonical(session_id):
            ledger.add(line)
        return SessionHashes(fills.hexdigest(), ledger.hexdigest())

    async def _stream(self, query: str, session_id: str) -> AsyncIterator[Any]:
        """Rows through a cursor: a long session is never in memory at once."""
        async with self._database.transaction(READING, snapshot=True) as connection:
            async for row in connection.cursor(query, session_id, prefetch=1000):
                yield row
