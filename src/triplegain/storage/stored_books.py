"""Do the stored books of a session agree? What sums tell, what rows that change say of themselves, and the chain."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.clock import from_datetime
from triplegain.domain.money import text
from triplegain.storage.database import PATIENT_S, AnyConnection, Database
from triplegain.storage.links import link_differences
from triplegain.storage.step_chain import TOLD_MAX, Progress, chain_differences

#: What each looks at in words, and a query for what differs: what, and the two figures.
_CHECKS = (
    (
        "{} {}, its ledger entries come to {}",
        # What is no number at all is told as a changed row.
        """WITH entries AS MATERIALIZED (
            SELECT account, asset, sum(amount) AS amount FROM paper_ledger_entries WHERE session_id = $1 GROUP BY 1, 2)
        SELECT 'the balance of ' || asset || ' is', b.total, e.amount
        FROM (SELECT * FROM paper_balances WHERE session_id = $1) b
        FULL JOIN (SELECT * FROM entries WHERE account = 'wallet') e USING (asset)
        WHERE coalesce(b.total, 0) <> coalesce(e.amount, 0)
        UNION ALL
        SELECT 'the session''s state says of ' || key, p.amount, e.amount FROM (
            SELECT key, CASE WHEN state #>> '{}' ~ '^-?[0-9.]+$' THEN (state #>> '{}')::numeric END AS amount
            FROM paper_session_parts WHERE session_id = $1 AND part = 'ledger.balance') p
        LEFT JOIN entries e ON e.account || ' ' || e.asset = p.key WHERE p.amount <> coalesce(e.amount, 0)""",
    ),
    (
        "ledger transaction {} comes to {}, not to {}",
        "SELECT ledger_transaction || ' of ' || asset, sum(amount), 0::numeric FROM paper_ledger_entries "
        "WHERE session_id = $1 GROUP BY ledger_transaction, asset HAVING sum(amount) <> 0",
    ),
    (
        "order {} is filled with {}, its fills come to {}",
        """SELECT order_number::text, o.filled_quantity, f.quantity
        FROM (SELECT * FROM paper_orders WHERE session_id = $1) o FULL JOIN
        (SELECT order_number, sum(quantity) AS quantity FROM paper_trades WHERE session_id = $1 GROUP BY 1) f
        USING (order_number) WHERE coalesce(o.filled_quantity, 0) <> coalesce(f.quantity, 0)""",
    ),
    (
        "{} holds {}, its fills come to {}",
        # No join whose plan depends on how many positions the planner believes in: each order looks up its own fills.
        """WITH held AS MATERIALIZED (
            SELECT position_id, quantity FROM paper_positions WHERE session_id = $1 AND closed_at_ns IS NULL)
        SELECT position_id, sum(held), sum(filled) FROM (
            SELECT position_id, quantity AS held, 0 AS filled FROM held
            UNION ALL
            SELECT o.position_id, 0, f.quantity FROM paper_orders o CROSS JOIN LATERAL (
                SELECT sum(CASE side WHEN 'buy' THEN quantity ELSE -quantity END
                           - CASE fee_asset WHEN split_part(symbol, '/', 1) THEN fee ELSE 0 END) AS quantity
                FROM paper_trades WHERE session_id = $1 AND order_number = o.order_number) f
            WHERE o.session_id = $1 AND (o.position_id IN (SELECT position_id FROM held)) IS TRUE) figures
        GROUP BY position_id HAVING sum(held) <> coalesce(sum(filled), 0)""",
    ),
)
#: What makes a session of an earlier program halt, and be closed, instead of not starting.
_OWNED = (
    "of {} positions own {}, the wallet holds {}",
    """SELECT asset, p.quantity, b.total FROM (SELECT * FROM paper_balances WHERE session_id = $1) b RIGHT JOIN
    (SELECT split_part(symbol, '/', 1) AS asset, sum(quantity) AS quantity FROM paper_positions
     WHERE session_id = $1 AND closed_at_ns IS NULL AND quantity > 0 GROUP BY 1) p USING (asset)
    WHERE p.quantity > coalesce(b.total, 0)""",
)
#: The tables whose rows change, with their digest in the session's state, and whether they are few.
_CHANGING = """
SELECT stored::text AS name, digest, replaces AND key <> 'orders' AS few FROM paper_kinds WHERE digest IS NOT NULL
UNION ALL SELECT 'paper_session_parts', 'parts_digest', true
"""
_SETTINGS = (
    "SELECT paper_settings_digest($1) IS DISTINCT FROM settings_digest FROM paper_session_state WHERE session_id = $1"
)


async def at_start(connection: AnyConnection, session_id: str) -> list[str]:
    """What of a session does not agree, with its figures, before it goes on: all sums, and its last steps."""
    return (await _differences(connection, session_id, _CHECKS, whole=False))[:TOLD_MAX]


async def whole(connection: AnyConnection, session_id: str, progress: Progress) -> list[str]:
    """The same of everything that is stored of it."""
    return await _differences(connection, session_id, (*_CHECKS, _OWNED), whole=True, progress=progress)


async def _differences(
    connection: AnyConnection,
    session_id: str,
    checks: tuple[tuple[str, str], ...],
    *,
    whole: bool,
    progress: Progress = lambda what, done, of: None,
) -> list[str]:
    """Within a transaction that sees one moment."""
    told = []
    for words, query in checks:
        progress(f"{session_id}: sums", 0, 0)
        for what, *figures in await connection.fetch(f"{query} LIMIT {TOLD_MAX}", session_id, timeout=PATIENT_S):
            told.append(words.format(what, *(text(each or Decimal(0)) for each in figures)))
    state = await connection.fetchrow("SELECT * FROM paper_session_state WHERE session_id = $1", session_id)
    if state is None:
        return [*told, "its row in paper_session_state is gone"]
    told += [each async for each in _changed_rows(connection, session_id, state, whole)]
    return told + await chain_differences(connection, session_id, whole=whole, progress=progress)


async def _changed_rows(connection: AnyConnection, session_id: str, state: Any, whole: bool) -> AsyncIterator[str]:
    """Rows that are stored again and again are those that the last step left."""
    for name, digest, few in await connection.fetch(_CHANGING):
        held = await connection.fetchrow(
            "SELECT * FROM paper_held($1, $2, $3)", session_id, name, whole or few, timeout=PATIENT_S
        )
        for key in held["edited"] or ():
            yield f"{name}: the row {key} was changed"
        if held["digest"] != state[digest] and not held["edited"]:
            yield f"{name}: {held['n']} rows, of which some were changed or added, or others removed"
    if await connection.fetchval(_SETTINGS, session_id):
        yield "paper_sessions: feed, seed, balances, settings or time of creation were changed"


async def verify(database: Database, progress: Progress) -> list[str]:
    """Everything of all sessions, each as of one moment; of those that are sound the time is kept. And what is of none.

    Returns what does not agree, with the session.
    """
    async with database.transaction("comparing what is of no session", snapshot=True) as connection:
        told = await link_differences(connection, progress)
    for row in await database.rows("looking for sessions", "SELECT session_id FROM paper_sessions ORDER BY created_at"):
        session_id = row["session_id"]
        async with database.transaction("comparing the books", snapshot=True) as connection:
            found = await whole(connection, session_id, progress)
            step = await connection.fetchval("SELECT step FROM paper_session_state WHERE session_id = $1", session_id)
        told += [f"{session_id}: {each}" for each in found]
        if not found:
            await database.rows("keeping when it was verified", _VERIFIED, session_id, step)
    return told


_VERIFIED = """
INSERT INTO paper_verifications VALUES ($1, $2, now())
ON CONFLICT (session_id) DO UPDATE SET step = excluded.step, verified_at = excluded.verified_at
"""
_LOOKED_AT = """
SELECT s.session_id, v.verified_at FROM paper_sessions s JOIN paper_session_state t USING (session_id)
LEFT JOIN paper_verifications v USING (session_id) ORDER BY t.recorded_at DESC
"""


class LookedAt(msgspec.Struct, frozen=True):
    """What a short look found: `differences` with their session, over the `looked_at` latest of `sessions` sessions;
    and when all of them had been verified as a whole, None where one never was."""

    differences: tuple[str, ...]
    looked_at: int
    sessions: int
    verified_at_ns: int | None


async def look(database: Database, seconds: float) -> LookedAt:
    """What a start would look at, of the latest session first, for no longer than so many `seconds`."""
    sessions = await database.rows("looking for sessions", _LOOKED_AT)
    told: list[str] = []
    looked_at = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for session_id, _ in sessions:
                async with database.transaction("comparing the books", snapshot=True) as connection:
                    found = await _differences(connection, session_id, (*_CHECKS, _OWNED), whole=False)
                told += [f"{session_id}: {each}" for each in found]
                looked_at += 1
    times = [None if at is None else from_datetime(at) for _, at in sessions]
    oldest = None if None in times else min((each for each in times if each is not None), default=None)
    return LookedAt(tuple(told), looked_at, len(sessions), oldest)
