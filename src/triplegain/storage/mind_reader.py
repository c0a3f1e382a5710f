"""What agents left behind, read: analyses, votes, outcomes, the risk state, alerts, the hodl bag.

Pages as in `session_reader.py`: `after` is the number of the last row you have, `newest_first` walks the other way.
"""

from __future__ import annotations

from collections.abc import Collection

from triplegain.domain.agent_records import (
    AlertRecord,
    AnalysisRecord,
    HodlRecord,
    OutcomeRecord,
    RiskRecord,
    VoteRecord,
)
from triplegain.storage.database import Database
from triplegain.storage.pages import READING, Page, read_page
from triplegain.storage.rows import read

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


class MindReader:
    """Every method raises StorageError when the database fails; an unknown session simply has no rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest_analyses(self, session_id: str) -> list[AnalysisRecord]:
        """The last of each task and symbol, by task and symbol."""
        found = await self._database.rows(READING, _LATEST_ANALYSES, session_id)
        return [read(AnalysisRecord, row) for row in found]

    async def analyses(
        self,
        session_id: str,
        *,
        task: str | None = None,
        symbol: str | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[AnalysisRecord]:
        """Cursor: the analysis's number."""
        where = "($4::text IS NULL OR task = $4) AND ($5::text IS NULL OR symbol = $5)"
        page = Page("paper_analyses", "number", where, after, limit, newest_first)
        return await read_page(self._database, AnalysisRecord, page, session_id, task, symbol)

    async def votes(
        self,
        session_id: str,
        *,
        decision_numbers: Collection[int] | None = None,
        model: str | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[VoteRecord]:
        """Cursor: the vote's number. Without `decision_numbers` also those that came too late to count."""
        where = "($4::bigint[] IS NULL OR decision_number = ANY ($4)) AND ($5::text IS NULL OR model = $5)"
        page = Page("paper_votes", "number", where, after, limit, newest_first)
        numbers = None if decision_numbers is None else list(decision_numbers)
        return await read_page(self._database, VoteRecord, page, session_id, numbers, model)

    async def outcomes(
        self, session_id: str, *, after: int | None = None, limit: int = 1000, newest_first: bool = False
    ) -> list[OutcomeRecord]:
        """How votes turned out, by vote and horizon. Cursor: the number of the vote; a page holds whole votes."""
        compare, order = ("<", "DESC") if newest_first else (">", "ASC")
        query = (
            f"SELECT * FROM paper_outcomes WHERE session_id = $1 AND ($2::bigint IS NULL OR vote_number {compare} $2) "
            f"ORDER BY vote_number {order} FETCH FIRST $3 ROWS WITH TIES"
        )
        found = await self._database.rows(READING, query, session_id, after, limit)
        outcomes = [read(OutcomeRecord, row) for row in found]
        sign = -1 if newest_first else 1
        return sorted(outcomes, key=lambda each: (sign * each.vote_number, each.horizon_ns))

    async def risk_state(self, session_id: str) -> RiskRecord | None:
        """The latest change with the whole state after it; None: none was ever stored."""
        query = "SELECT * FROM paper_risk_state WHERE session_id = $1"
        row = await self._database.row(READING, query, session_id)
        return None if row is None else read(RiskRecord, row)

    async def alerts(
        self,
        session_id: str,
        *,
        kind: str | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[AlertRecord]:
        """Cursor: the alert's number."""
        page = Page("paper_alerts", "number", "($4::text IS NULL OR kind = $4)", after, limit, newest_first)
        return await read_page(self._database, AlertRecord, page, session_id, kind)

    async def hodl(
        self,
        session_id: str,
        *,
        asset: str | None = None,
        after: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[HodlRecord]:
        """The steps of the bag. Cursor: the step's number."""
        page = Page("paper_hodl", "number", "($4::text IS NULL OR asset = $4)", after, limit, newest_first)
        return await read_page(self._database, HodlRecord, page, session_id, asset)
