"""What is kept for how long: minute snapshots become hours, ended sessions go when that is wanted, the rest stays."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from triplegain.domain.clock import from_datetime, to_datetime
from triplegain.storage.database import PATIENT_S, Database

#: Hours of market time that one transaction rolls up: the session commits in between.
_HOURS_AT_ONCE = 24
_PAUSE_S = 0.05
#: Rounds that are remembered.
_ROUNDS_KEPT = 100
_OLD = """
SELECT DISTINCT session_id FROM paper_portfolio_snapshots WHERE recorded_at < $1
UNION SELECT DISTINCT session_id FROM paper_position_snapshots WHERE recorded_at < $1 ORDER BY session_id
"""
_ENDED = "SELECT session_id FROM paper_sessions WHERE status = 'ended' AND ended_at < $1 ORDER BY ended_at"
_REMOVE = "DELETE FROM paper_sessions WHERE session_id = $1"
_RECORD = "INSERT INTO housekeeping VALUES ($1, $2) ON CONFLICT DO NOTHING"
_FORGET = """
DELETE FROM housekeeping WHERE ran_at NOT IN (SELECT ran_at FROM housekeeping ORDER BY ran_at DESC LIMIT $1)
"""
_SIZES = """
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY bytes DESC, name
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of housekeeping: when, wall time, and how many rows of what were removed."""

    ran_at_ns: int
    removed: Mapping[str, int]


class Retention:
    """Removes what is too old, in small transactions. Methods raise StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def roll_up(self, before_ns: int) -> dict[str, int]:
        """Snapshots recorded before that wall time become hours, in running sessions as well."""
        before, counts = to_datetime(before_ns), {"rolled_up": 0, "snapshots_deleted": 0}
        for row in await self._database.rows("looking for old snapshots", _OLD, before):
            while (done := await self._rolled_up(row["session_id"], before))["snapshots_deleted"]:
                counts = {name: counts[name] + done[name] for name in counts}
                await asyncio.sleep(_PAUSE_S)
        return counts

    async def _rolled_up(self, session_id: str, before: datetime) -> Mapping[str, int]:
        query = "SELECT * FROM paper_roll_up($1, $2, $3)"
        row = await self._database.row("rolling up snapshots", query, session_id, before, _HOURS_AT_ONCE)
        assert row is not None
        return dict(row)

    async def remove_ended(self, before_ns: int) -> int:
        """Delete sessions that ended before that wall time, with all they hold, one at a time and however long a large
        one takes. Returns how many."""
        found = await self._database.rows("looking for ended sessions", _ENDED, to_datetime(before_ns))
        for row in found:
            async with self._database.transaction("removing an ended session") as connection:
                await connection.execute(_REMOVE, row["session_id"], timeout=PATIENT_S)
        return len(found)

    async def is_due(self, every_ns: int, now_ns: int) -> bool:
        last = await self.last_round()
        return last is None or last.ran_at_ns + every_ns <= now_ns

    async def last_round(self) -> Round | None:
        row = await self._database.row(
            "looking for the last housekeeping", "SELECT * FROM housekeeping ORDER BY ran_at DESC LIMIT 1"
        )
        return None if row is None else Round(from_datetime(row["ran_at"]), row["removed"])

    async def record(self, done: Round) -> None:
        async with self._database.transaction("recording the housekeeping") as connection:
            await connection.execute(_RECORD, to_datetime(done.ran_at_ns), done.removed)
            await connection.execute(_FORGET, _ROUNDS_KEPT)

    async def sizes(self) -> dict[str, int]:
        """Bytes of each table with its indices, the largest first."""
        return {row["name"]: row["bytes"] for row in await self._database.rows("measuring the tables", _SIZES)}
