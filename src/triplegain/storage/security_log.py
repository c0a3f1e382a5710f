"""Who may come in and who did what: API keys by hash, security events append-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from triplegain.domain.clock import Clock, from_datetime, to_datetime
from triplegain.domain.records import SecurityEvent
from triplegain.storage.database import AnyConnection, Database
from triplegain.storage.links import link
from triplegain.storage.rows import read

_INSERT = """
INSERT INTO security_events (recorded_at, kind, actor, address, request_id, details)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING event_number::text
"""

#: The kind of rows that tell how often strangers were refused.
STRANGERS_REFUSED = "auth_failure"
_REMOVE = """
DELETE FROM security_events WHERE event_number IN (
    SELECT event_number FROM security_events
    WHERE kind = $1 AND session_id IS NULL AND recorded_at < $2 ORDER BY recorded_at LIMIT 10000)
RETURNING 1
"""


#: Of a key's hash: what the record of who did what has, too.
_SHOWN = 12


class SessionKey(NamedTuple):
    """`key` is the beginning of its hash, which is all that anybody is shown of it. Times are wall times."""

    key: str
    session: str
    role: str
    name: str
    created_at_ns: int
    revoked_at_ns: int | None


class StoredKey(NamedTuple):
    """`role` is viewer, trader or admin; `session` the only one it reaches, None: it is the owner's."""

    role: str
    session: str | None


async def _insert(connection: AnyConnection, event: SecurityEvent) -> None:
    """An act is a link of the chain; how often strangers were refused is forgotten one day."""
    number = await connection.fetchval(
        _INSERT,
        to_datetime(event.recorded_at_ns),
        event.kind,
        event.actor,
        event.address,
        event.request_id,
        event.details,
    )
    if event.kind != STRANGERS_REFUSED:
        await link(connection, "security_events", number)


class SecurityLog:
    """Keys and events. Methods raise StorageError when the database fails."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record_security_events(self, events: Sequence[SecurityEvent]) -> None:
        """All or none."""
        if events:
            async with self._database.transaction("writing security events") as connection:
                for event in events:
                    await _insert(connection, event)

    async def remove_strangers(self, before_ns: int) -> None:
        """Rows of refused strangers from before this wall time; so many at a time that others are not kept waiting."""
        before = to_datetime(before_ns)
        while await self._database.rows("removing old security events", _REMOVE, STRANGERS_REFUSED, before):
            pass

    async def security_events(self, *, after: int = 0, limit: int = 100) -> list[tuple[int, SecurityEvent]]:
        """(event number, event), oldest first, from the number after `after`."""
        found = await self._database.rows(
            "reading security events",
            "SELECT * FROM security_events WHERE event_number > $1 ORDER BY event_number LIMIT $2",
            after,
            limit,
        )
        return [(row["event_number"], read(SecurityEvent, row)) for row in found]

    async def add_api_key(self, key_hash: str, role: str, name: str, session: str | None = None) -> None:
        """Let a key in, to one stored session or to all there are. A key that is already known stays as it is."""
        async with self._database.transaction("storing an API key") as connection:
            await connection.execute(
                "INSERT INTO api_keys (key_hash, name, role, created_at, session_id) VALUES ($1, $2, $3, $4, $5) "
                "ON CONFLICT DO NOTHING",
                key_hash,
                name,
                role,
                to_datetime(self._clock.now_ns()),
                session,
            )

    async def revoke_session_keys(self, session: str) -> int:
        """Shut out every key of this session; how many there were."""
        gone = await self._database.rows(
            "revoking the keys of a session",
            "UPDATE api_keys SET revoked_at = $2 WHERE session_id = $1 AND revoked_at IS NULL RETURNING key_hash",
            session,
            to_datetime(self._clock.now_ns()),
        )
        return len(gone)

    async def session_keys(self, session: str | None = None) -> list[SessionKey]:
        """Those of one session, or of all, the latest first; those that are shut out, too."""
        found = await self._database.rows(
            "reading the keys of sessions",
            "SELECT * FROM api_keys WHERE session_id = coalesce($1, session_id) ORDER BY created_at DESC, key_hash",
            session,
        )
        return [
            SessionKey(
                row["key_hash"][:_SHOWN],
                row["session_id"],
                row["role"],
                row["name"],
                from_datetime(row["created_at"]),
                None if row["revoked_at"] is None else from_datetime(row["revoked_at"]),
            )
            for row in found
        ]

    async def revoke_session_key(self, beginning: str) -> str | None:
        """Shut out the key of a session whose hash begins so; its session, None where it is not one key that is let
        in."""
        async with self._database.transaction("revoking a key") as connection:
            found = await connection.fetch(
                "SELECT key_hash, session_id FROM api_keys WHERE session_id IS NOT NULL AND revoked_at IS NULL "
                "AND starts_with(key_hash, $1) LIMIT 2",
                beginning,
            )
            if len(beginning) < _SHOWN or len(found) != 1:
                return None
            [row] = found
            now = to_datetime(self._clock.now_ns())
            await connection.execute("UPDATE api_keys SET revoked_at = $2 WHERE key_hash = $1", row["key_hash"], now)
            session: str = row["session_id"]
            return session

    async def api_keys(self) -> dict[str, StoredKey]:
        """The keys that are let in, by hash."""
        query = "SELECT key_hash, role, session_id FROM api_keys WHERE revoked_at IS NULL"
        found = await self._database.rows("reading the API keys", query)
        return {row["key_hash"]: StoredKey(row["role"], row["session_id"]) for row in found}
