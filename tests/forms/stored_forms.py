"""Stored sessions of earlier forms, as rows, and the way into a database that is as old as they are."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import asyncpg
import msgspec
from tests.database_fixtures import MIGRATIONS

from triplegain.storage.migrations import migrate

FOLDER = Path(__file__).resolve().parent
#: Form -> the last migration of its time.
LAST_MIGRATION = {2: "010"}


def stored(form: int) -> list[Path]:
    """The sessions kept of a form."""
    return sorted((FOLDER / f"form{form}").glob("*.json.gz"))


def name_of(file: Path) -> str:
    """The session's name, which says how it was left."""
    return file.name.removesuffix(".json.gz")


async def load(url: str, form: int, file: Path, captures: Path | None, scratch: Path) -> None:
    """Make an empty database what it was when the session was left: the schema of that time, and its rows.

    `captures` takes the place of `@` in the name of a replayed feed. `scratch` is an empty folder.
    """
    for migration in MIGRATIONS.glob("*.sql"):
        if migration.name[:3] <= LAST_MIGRATION[form]:
            shutil.copy(migration, scratch)
    await migrate(url, scratch)
    text = gzip.decompress(file.read_bytes()).decode()
    # Each table stays text: Python would read numbers as floats.
    tables = msgspec.json.decode(text.replace("replay:@", f"replay:{captures}/"), type=dict[str, msgspec.Raw])
    connection = await asyncpg.connect(url)
    try:
        # Every row is there in the end, so nothing is asked of their order.
        await connection.execute("SET session_replication_role = replica")
        for table, rows in tables.items():
            await connection.execute(
                f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1::text::json)",
                bytes(rows).decode(),
            )
    finally:
        await connection.close()
