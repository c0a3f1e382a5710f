"""Who may come in and who did what: API keys by hash, security events append-only."""

from __future__ import annotations

from triplegain.domain.clock import Clock, to_datetime
from triplegain.domain.records import SecurityEvent
from triplegain.storage.database import AnyConnection, Database
from triplegain.storage.rows import read

_INSERT = """
INSERT INTO security_events (recorded_at, kind, actor, address, request_id, session_id, details)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def insert_security_event(connection: AnyConnection, event: SecurityEvent, session_id: str | None) -> None:
    """Write the event in the transaction of the act it tells of."""
    await connection.execute(
        _INSERT,
        to_datetime(event.recorded_at_ns),
        event.kind,
        event.actor,
        event.address,
        event.request_id,
        session_id,
        event.details,
    )


class SecurityLog:
    """Keys and events. Methods raise StorageError when the database fails."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record_security_event(self, event: SecurityEvent, session_id: str | None = None) -> None:
        async with self._database.transaction("writing a security event") as connection:
            await insert_security_event(connection, event, session_id)

    async def security_events(self, *, after: int = 0, limit: int = 100) -> list[tuple[int, SecurityEvent]]:
        """(event number, event), oldest first, from the number after `after`."""
        found = await self._database.rows(
            "reading security events",
            "SELECT * FROM security_events WHERE event_number > $1 ORDER BY event_number LIMIT $2",
            after,
            limit,
        )
        return [(row["event_number"], read(SecurityEvent, row)) for row in found]

    async def add_api_key(self, key_hash: str, role: str, name: str) -> None:
        """Let a key in. A key that is already known keeps its role."""
        async with self._database.transaction("storing an API key") as connection:
            await connection.execute(
                "INSERT INTO api_keys VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                key_hash,
                name,
                role,
                to_datetime(self._clock.now_ns()),
            )

    async def api_key_role(self, key_hash: str) -> str | None:
        """viewer, trader or admin; None for an unknown or revoked key."""
        row = await self._database.row(
            "checking an API key", "SELECT role FROM api_keys WHERE key_hash = $1 AND revoked_at IS NULL", key_hash
        )
        return None if row is None else str(row["role"])
