"""Rows that somebody edits with the rights to do so, whatever keys, checks and generated numbers there are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from triplegain.storage.database import Database

#: Another value of a type; `{0}` is the column.
EDITS = {
    "B": "NOT coalesce({0}, false)",
    "N": "coalesce({0}, 0) + 1000",
    "S": "coalesce({0}::text, '') || 'x'",
    "D": "{0} + interval '1 microsecond'",
    "A": "{0} || ARRAY['x']",
    "E": "(SELECT x FROM unnest(enum_range({0})) AS x WHERE x IS DISTINCT FROM {0} LIMIT 1)",
    "jsonb": "jsonb_build_object('edited', {0})",
    "bytea": "coalesce({0}, '') || '\\x00'::bytea",
}
COLUMNS = """
SELECT a.attname, t.typcategory::text AS category, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
#: What keeps a person from editing what they like, out of the way: checks, keys, generated numbers.
FREE = """
DO $$ DECLARE c record; BEGIN
    FOR c IN SELECT conrelid::regclass AS place, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.place, c.conname);
    END LOOP;
END $$;
ALTER TABLE security_events ALTER COLUMN event_number DROP IDENTITY;
SET session_replication_role = replica;
"""


@asynccontextmanager
async def changed(database: Database, *statements: str) -> AsyncIterator[Any]:
    """A connection that sees what is stored as it would be after these, which are undone."""
    connection = await database.dedicated()
    try:
        async with connection.transaction():
            await connection.execute(FREE)
            for each in statements:
                assert await connection.execute(each) not in ("UPDATE 0", "DELETE 0"), each
            yield connection
            raise asyncpg.exceptions.QueryCanceledError
    except asyncpg.exceptions.QueryCanceledError:
        pass
    finally:
        await connection.close()


async def untold_edits(
    connection: Any,
    table: str,
    rows: str,
    free: Collection[str],
    found: Callable[[Any], Awaitable[list[str]]],
    every: int = 1,
) -> tuple[int, list[str]]:
    """How many columns of the first of `rows` were edited, one at a time, and those of which `found` told nothing.

    Of all columns each `every`th is."""
    untold, edited = [], 0
    for column, category, name in (await connection.fetch(COLUMNS, table))[::every]:
        if column in free:
            continue
        value = EDITS.get(name, EDITS.get(category, "")).format(column)
        assert value, f"how is a column of type {name} edited? {table}.{column}"
        nested = connection.transaction()
        await nested.start()
        row = f"ctid = (SELECT ctid FROM {table} WHERE {rows} LIMIT 1)"
        assert await connection.execute(f"UPDATE {table} SET {column} = {value} WHERE {row}") == "UPDATE 1", table
        edited += 1
        if not await found(connection):
            untold.append(f"{table}.{column}")
        await nested.rollback()
    return edited, untold
