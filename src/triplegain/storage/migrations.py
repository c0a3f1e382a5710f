"""The schema, brought up to date: numbered SQL files, each applied once, in order, in a transaction of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from triplegain.storage.errors import DRIVER_ERRORS, MigrationError, explain

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


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """`applied` and `pending` in order of application; `timescale` says whether the extension can be used."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    timescale: bool


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

    Raises MigrationError if an applied file has changed or a file fails (which then has changed nothing), and
    StorageError if the server is away.
    """
    try:
        connection = await asyncpg.connect(url, command_timeout=None)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            await connection.execute(_RECORD)
            return [await _apply(connection, migration) for migration in await _pending(connection, folder)]
        finally:
            await connection.close()
    except DRIVER_ERRORS as error:
        raise explain(error, "bringing the database up to date") from error


async def schema_status(url: str, folder: Path) -> SchemaStatus:
    """What has been applied and what is missing. Changes nothing."""
    try:
        connection = await asyncpg.connect(url)
        try:
            applied = await _applied(connection)
            pending = await _pending(connection, folder)
            return SchemaStatus(
                tuple(applied), tuple(migration.name for migration in pending), await timescale_usable(connection)
            )
        finally:
            await connection.close()
    except DRIVER_ERRORS as error:
        raise explain(error, "looking at the schema") from error


async def timescale_usable(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    """Whether TimescaleDB is preloaded: creating the extension without that kills the connection."""
    return bool(
        await connection.fetchval(
            "SELECT 'timescaledb' = ANY (string_to_array(replace(current_setting('shared_preload_libraries'), ' ', ''),"
            " ',')) AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')"
        )
    )


def _read(path: Path, name: str) -> Migration:
    return Migration(name, path.read_text(encoding="utf-8"))


async def _applied(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return {}
    rows = await connection.fetch("SELECT name, sha256 FROM schema_migrations ORDER BY applied_at, name")
    return {row["name"]: row["sha256"] for row in rows}


async def _pending(connection: asyncpg.Connection[asyncpg.Record], folder: Path) -> list[Migration]:
    files = read_migrations(folder, timescale=await timescale_usable(connection))
    applied = await _applied(connection)
    for migration in files:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise MigrationError(
                f"the migration {migration.name} was changed after it had been applied to this database: restore the "
                "file as it was, and put the change into a new file with the next number"
            )
    known = {migration.name for migration in files}
    if unknown := [name for name in applied if name not in known and not name.startswith("timescale/")]:
        raise MigrationError(
            f"the database was made by a newer version: it has {', '.join(unknown)}, which is not in {folder}. "
            "Install that version again, or use another TRIPLEGAIN_HOME"
        )
    return [migration for migration in files if migration.name not in applied]


async def _apply(connection: asyncpg.Connection[asyncpg.Record], migration: Migration) -> str:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            # clock_timestamp: several files within one start keep their order.
            await connection.execute(
                "INSERT INTO schema_migrations VALUES ($1, $2, clock_timestamp())", migration.name, migration.sha256
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"the migration {migration.name} failed and changed nothing: {error}") from error
    return migration.name
