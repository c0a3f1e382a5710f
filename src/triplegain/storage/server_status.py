"""The condition of the database server and its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triplegain import resources
from triplegain.storage.database import connected, without_password
from triplegain.storage.migrations import applied, pending, timescale_usable


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """`address` without a password; `applied` and `pending` name migrations; `sessions` counts them by status."""

    address: str
    version: str
    size_bytes: int
    timescale: bool
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    sessions: Mapping[str, int]


async def read_server_status(url: str) -> ServerStatus:
    """Changes nothing. Raises StorageError if the server is away, MigrationError if the schema is not ours."""
    async with connected(url, "looking at the database") as connection:
        sessions: dict[str, int] = {}
        if await connection.fetchval("SELECT to_regclass('paper_sessions')") is not None:
            query = "SELECT status::text, count(*) AS n FROM paper_sessions GROUP BY status ORDER BY status"
            sessions = {row["status"]: row["n"] for row in await connection.fetch(query)}
        return ServerStatus(
            address=without_password(url),
            version=await connection.fetchval("SHOW server_version"),
            size_bytes=await connection.fetchval("SELECT pg_database_size(current_database())"),
            timescale=await timescale_usable(connection),
            applied=tuple(await applied(connection)),
            pending=tuple(each.name for each in await pending(connection, resources.migrations_dir())),
            sessions=sessions,
        )
