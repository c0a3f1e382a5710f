"""The schema, brought up to date: numbered SQL files, each applied once, in order, in a transaction of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from triplegain import resources
from triplegain.storage.database import Connection, connected, without_password
from triplegain.storage.errors import MigrationError, explain
from triplegain.storage.session_lock import session_holder

#: Any constant: one migration at a time in a database.
_LOCK = 7_305_804_402_566_349_676
_RECORD = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """`name` is the path below the folder: `005_paper_trading.sql`, `timescale/005_paper_trading.sql`."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path, *, timescale: bool) -> list[Migration]:
    """The files to apply, in order. Raises MigrationError if there are none or two carry one number."""
    found = [_read(path, path.name) for path in sorted(folder.glob("[0-9]*.sql"))]
    if not found:
        raise MigrationError(f"no migrations in {folder}: the installation is incomplete, install it again")
    numbers = [migration.name.split("_")[0] for migration in found]
    if len(set(numbers)) != len(numbers):
        raise MigrationError(f"two migrations in {folder} carry the same number: {', '.join(numbers)}")
    if timescale:
        found += [_read(path, f"timescale/{path.name}") for path in sorted((folder / "timescale").glob("[0-9]*.sql"))]
    return found


async def migrate(url: str, folder: Path) -> list[str]:
    """Apply what is missing and return its names.

    Raises MigrationError if an applied file has changed, a session is being written, or a file fails (which then has
    changed nothing), and StorageError if the server is away.
    """
    async with connected(url, "bringing the database up to date", command_timeout=None) as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute(_RECORD)
        missing = await pending(connection, folder)
        if missing:
            await _refuse_beside_a_session(connection)
        return [await _apply(connection, migration) for migration in missing]


async def _refuse_beside_a_session(connection: Connection) -> None:
    """Whoever writes a session now is of an earlier version, and would go on as if nothing had changed."""
    if await connection.fetchval("SELECT to_regclass('paper_sessions')") is None:
        return
    for row in await connection.fetch("SELECT session_id FROM paper_sessions WHERE status <> 'ended'"):
        if holder := await session_holder(connection, row["session_id"]):
            raise MigrationError(
                f"the session {row['session_id']} is run by {holder} of an earlier version, which cannot go on with "
                "what this one makes of the database: stop it first (Ctrl-C), then run this again"
            )


async def timescale_usable(connection: Connection) -> bool:
    """Whether TimescaleDB is preloaded: creating the extension without that kills the connection."""
    return bool(
        await connection.fetchval(
            "SELECT 'timescaledb' = ANY (string_to_array(replace(current_setting('shared_preload_libraries'), ' ', ''),"
            " ',')) AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')"
        )
    )


def _read(path: Path, name: str) -> Migration:
    return Migration(name, path.read_text(encoding="utf-8"))


async def applied(connection: Connection) -> dict[str, str]:
    """Checksums by name, in order of application."""
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return {}
    rows = await connection.fetch("SELECT name, sha256 FROM schema_migrations ORDER BY applied_at, name")
    return {row["name"]: row["sha256"] for row in rows}


async def pending(connection: Connection, folder: Path) -> list[Migration]:
    """What is missing. Raises MigrationError if an applied file has changed, or the schema is of a newer version."""
    files = read_migrations(folder, timescale=await timescale_usable(connection))
    known = await applied(connection)
    for migration in files:
        if known.get(migration.name, migration.sha256) != migration.sha256:
            raise MigrationError(
                f"the migration {migration.name} was changed after it had been applied to this database: restore the "
                "file as it was, and put the change into a new file with the next number"
            )
    names = {migration.name for migration in files}
    if unknown := [name for name in known if name not in names and not name.startswith("timescale/")]:
        raise MigrationError(
            f"the database was made by a newer version: it has {', '.join(unknown)}, which is not in {folder}. "
            "Install that version again, or use another TRIPLEGAIN_HOME"
        )
    return [migration for migration in files if migration.name not in known]


async def _apply(connection: Connection, migration: Migration) -> str:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            # clock_timestamp: several files within one start keep their order.
            await connection.execute(
                "INSERT INTO schema_migrations VALUES ($1, $2, clock_timestamp())", migration.name, migration.sha256
            )
    except asyncpg.DiskFullError as error:
        raise explain(error, f"the migration {migration.name}") from error
    except asyncpg.PostgresError as error:
        raise MigrationError(f"the migration {migration.name} failed and changed nothing: {error}") from error
    return migration.name


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
