"""The chains of what is only ever added and is of no step: acts of no session, and calls of models.

The hash of a row is SHA-256 over the hash of the link before and what the row says, as text that the database makes.
"""

from __future__ import annotations

import hashlib

from triplegain.storage.database import PATIENT_S, AnyConnection
from triplegain.storage.step_chain import TOLD_MAX, Progress

#: Rows fetched at once: those of a model hold whole questions.
_FETCHED = 100
_TOLD_EVERY = 2_000
#: The tables, and which column names a row.
_KEYS = {"model_calls": "call_id", "security_events": "event_number"}
_END = """
SELECT rows_before, n AS rows_now, (rows_before, hash_before) IS DISTINCT FROM (n, u.hash) AS differs, last, l.hash
FROM unlinked($1) u LEFT JOIN links l ON stored = $1
"""
#: A link as it was when it was made: without what it was given then.
_LINKS = """
SELECT link, hash, {key}::text AS name, paper_text(jsonb_populate_record(t, '{{"link": null, "hash": null}}')) AS told
FROM {stored} t WHERE link IS NOT NULL ORDER BY link
"""


async def link(connection: AnyConnection, stored: str, name: str) -> None:
    """The row of that name becomes a link, in the transaction that has added it."""
    await connection.execute("SELECT link_row($1, $2, $3)", stored, _KEYS[stored], name)


async def link_differences(connection: AnyConnection, progress: Progress) -> list[str]:
    """What does not hold of the chains that belong to no session, in words; within a transaction."""
    return [each for stored in _KEYS for each in (await _differences(connection, stored, progress))[:TOLD_MAX]]


async def _differences(connection: AnyConnection, stored: str, progress: Progress) -> list[str]:
    told, key = [], _KEYS[stored]
    end = await connection.fetchrow(_END, stored, timeout=PATIENT_S)
    assert end is not None
    rows, now, differs, ended, ended_hash = end
    if differs if ended is not None else now:
        words = f"{now} are there now" if now != rows else "one of them was changed since"
        told.append(f"{stored}: {rows or 0} rows were of no link when links began, {words}")
    last, before = 0, b""
    async for number, found, name, text in connection.cursor(
        _LINKS.format(stored=stored, key=key), prefetch=_FETCHED, timeout=PATIENT_S
    ):
        if number != last + 1:
            told.append(f"{stored}: the rows after link {last} and before {number} are gone")
        elif hashlib.sha256(before + text).digest() != found:
            told.append(f"{stored}: the row of {key} {name} was changed, or the hash before it")
        if len(told) >= TOLD_MAX:
            return told
        last, before = number, found
        if number % _TOLD_EVERY == 0:
            progress(stored, number, ended or 0)
    if (last, before) != (ended or 0, ended_hash or b""):
        told.append(f"{stored}: the last link is {last} or has another hash, and links ends with {ended or 0}")
    return told
