"""Old steps become one seal: their rows of the chain go, what they left stays counted and hashed.

Before they go they are verified once more: a seal never covers up what was changed before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime

from triplegain.domain.clock import to_datetime
from triplegain.storage.database import AnyConnection, Database
from triplegain.storage.errors import BooksDifferError
from triplegain.storage.step_chain import STEPS_AT_START, TOLD_MAX, chained_kinds, follow

#: Steps, and rows, that one transaction takes away.
_AT_ONCE = 10_000
_PAUSE_S = 0.05
_SESSIONS = "SELECT session_id FROM paper_sessions ORDER BY created_at"
#: Held, so that whoever seals the same session comes after us.
_SEAL = "SELECT * FROM paper_seals WHERE session_id = $1 FOR UPDATE"
#: The last step of those that are old, without those that a start looks at; they follow each other.
_OLD = """
SELECT least(t.step - $4::bigint, $2::bigint + $5::bigint, coalesce((
    SELECT step - 1 FROM paper_steps
    WHERE session_id = $1 AND step BETWEEN $2 + 1 AND $2 + $5 AND recorded_at >= $3 ORDER BY step LIMIT 1),
    t.step))
FROM paper_session_state t WHERE session_id = $1
"""
_SEALED = "UPDATE paper_seals SET step = $2, before = $3, rows = $4, sealed_at = now() WHERE session_id = $1"
_REMOVE = "DELETE FROM paper_steps WHERE session_id = $1 AND step <= $2"
_FORGET = "SELECT paper_forget($1, 'analyses', $2, $3) AS n"


class Sealing:
    """In small transactions, beside running sessions. Methods raise StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seal(self, before_ns: int) -> tuple[int, list[str]]:
        """Steps recorded before that wall time. Returns how many, and of which sessions they stay, being damaged."""
        sealed, damaged, before = 0, [], to_datetime(before_ns)
        for session_id in await self._sessions():
            try:
                while done := await self._sealed(session_id, before):
                    sealed += done
                    await asyncio.sleep(_PAUSE_S)
            except BooksDifferError:
                damaged.append(session_id)
        return sealed, damaged

    async def _sealed(self, session_id: str, before: datetime) -> int:
        async with self._database.transaction("sealing old steps") as connection:
            return await _seal_some(connection, session_id, before)

    async def forget_analyses(self, before_ns: int, damaged: Collection[str] = ()) -> int:
        """Analyses recorded before that wall time, of steps that are sealed, and of no session that is `damaged`.
        Returns how many were removed."""
        removed, before = 0, to_datetime(before_ns)
        for session_id in set(await self._sessions()).difference(damaged):
            while n := await self._forgotten(session_id, before):
                removed += n
                await asyncio.sleep(_PAUSE_S)
        return removed

    async def _forgotten(self, session_id: str, before: datetime) -> int:
        row = await self._database.row("removing old analyses", _FORGET, session_id, before, _AT_ONCE)
        return int(row["n"] or 0) if row is not None else 0

    async def _sessions(self) -> list[str]:
        return [row["session_id"] for row in await self._database.rows("looking for sessions", _SESSIONS)]


async def _seal_some(connection: AnyConnection, session_id: str, before: datetime) -> int:
    """How many steps were sealed. Raises BooksDifferError where what they left is not there as they left it."""
    seal = await connection.fetchrow(_SEAL, session_id)
    if seal is None:
        return 0
    since = seal["step"]
    until = await connection.fetchval(_OLD, session_id, since, before, STEPS_AT_START, _AT_ONCE)
    if until is None or until <= since:
        return 0
    kinds, told = await chained_kinds(connection), list[str]()
    for kind in kinds:
        kind.count, hashed = seal["rows"].get(kind.key, (0, ""))
        kind.hash = bytes.fromhex(hashed)
    step, _, found = await follow(connection, seal, kinds, since, until, told)
    if step != until and not told:
        told.append(f"paper_steps: the rows after step {step} are gone")
    if told:
        raise BooksDifferError.of(session_id, "; ".join(told[:TOLD_MAX]))
    rows = {kind.key: (kind.count, kind.hash.hex()) for kind in kinds}
    await connection.execute(_SEALED, session_id, until, found, rows)
    await connection.execute(_REMOVE, session_id, until)
    return int(until - since)
