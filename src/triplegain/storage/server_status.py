"""The condition of the database server and its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from triplegain import resources
from triplegain.storage.database import without_password
from triplegain.storage.errors import DRIVER_ERRORS, explain
from triplegain.storage.migrations import schema_status


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
    schema = await schema_status(url, resources.migrations_dir())
    try:
        connection = await asyncpg.connect(url)
        try:
            version = await connection.fetchval("SHOW server_version")
            size = await connection.fetchval("SELECT pg_database_size(current_database())")
            sessions: dict[str, int] = {}
            if await connection.fetchval("SELECT to_regclass('paper_sessions')") is not None:
                query = "SELECT status::text, count(*) AS n FROM paper_sessions GROUP BY status ORDER BY status"
                sessions = {row["status"]: row["n"] for row in await connection.fetch(query)}
        finally:
            await connection.close()
    except DRIVER_ERRORS as error:
        raise explain(error, "looking at the database") from error
    return ServerStatus(
        address=without_password(url),
        version=version,
        size_bytes=size,
        timescale=schema.timescale,
        applied=schema.applied,
        pending=schema.pending,
        sessions=sessions,
    )
