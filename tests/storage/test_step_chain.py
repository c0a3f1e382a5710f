"""Every edit of a stored row shows: tables and columns are those of the catalogue, so that a new one is asked, too."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.storage.edited_rows import changed, untold_edits
from tests.storage.mind_steps import alert, analysis, hodl, outcome, risk, vote
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record

from triplegain.domain.queue_path import QueueChange, QueuePoint
from triplegain.domain.records import SecurityEvent, SessionStatus
from triplegain.storage.database import Database
from triplegain.storage.errors import BooksDifferError, CommitRefusedError, StorageError
from triplegain.storage.session_store import SessionStore
from triplegain.storage.stored_books import verify, whole

#: Where rows change, or tell of the chain itself; with the columns that are no part of what is held.
OTHERS = {
    **dict.fromkeys(("paper_orders", "paper_balances", "paper_positions", "paper_session_parts"), ("mark_before",)),
    "paper_session_state": ("recorded_at",),
    "paper_sessions": ("status", "ended_at"),
    "paper_steps": ("recorded_at",),
    "paper_seals": ("sealed_at",),
}
CHAINED = "SELECT stored::text FROM paper_kinds WHERE paper_is_chained(stored) ORDER BY place"


async def lived(store: SessionStore) -> ScriptedSession:
    """Two rows of every kind."""
    await store.create(session_record("s"))
    script = ScriptedSession("s")
    await store.commit("s", script.opening())
    for number in (1, 2):
        mind = {
            "analyses": (analysis(number),),
            "votes": (vote(number, decision=number),),
            "outcomes": (outcome(number), outcome(number, 4)),
            "risk": (risk(number),),
            "alerts": (alert(number),),
            "hodl": (hodl(number),),
            "queue_points": (
                QueuePoint(number, 1, START_NS, Decimal(2), Decimal(1), QueueChange.ARRIVAL),
                QueuePoint(number, 2, START_NS, Decimal(0), Decimal(1), QueueChange.FILLED),
            ),
        }
        audit = SecurityEvent("paper_trade", "key:admin", "127.0.0.1", f"r-{number}", START_NS, {"order": "c"})
        await store.commit("s", replace(script.buy(), **mind, security_events=(audit, audit)))
    await store.commit("s", script.rest())
    await store.commit("s", script.idle())
    return script


async def found(connection: Any) -> list[str]:
    return await whole(connection, "s", lambda what, done, of: None)


async def tables(connection: Any) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys([row["stored"] for row in await connection.fetch(CHAINED)], ()) | OTHERS


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
async def test_an_edit_of_any_column_of_a_stored_row_is_told(
    store: SessionStore, database: Database, every: int
) -> None:
    await lived(store)
    untold: list[str] = []
    edited = 0
    async with changed(database) as connection:
        assert await found(connection) == []
        for table, free in (await tables(connection)).items():
            key = "session_id IS NOT NULL" if table == "security_events" else "session_id = 's'"
            columns, missed = await untold_edits(connection, table, key, free, found, every)
            edited, untold = edited + columns, untold + missed
    assert not untold, " ".join(untold)
    assert edited > 150 // every


async def test_a_row_that_is_gone_or_was_added_is_told(store: SessionStore, database: Database) -> None:
    await lived(store)
    untold = []
    async with changed(database) as connection:
        for table in await tables(connection):
            if table in ("paper_sessions", "paper_session_state"):
                continue
            key = "session_id IS NOT NULL" if table == "security_events" else "session_id = 's'"
            for which in ("ASC", "DESC"):
                nested = connection.transaction()
                await nested.start()
                row = f"ctid = (SELECT ctid FROM {table} WHERE {key} ORDER BY ctid {which} LIMIT 1)"
                assert await connection.execute(f"DELETE FROM {table} WHERE {row}") == "DELETE 1"
                if not await found(connection):
                    untold.append(f"{table} {which}")
                await nested.rollback()
    assert untold == []


PAIR = """
INSERT INTO paper_ledger_entries
SELECT session_id, sequence + 100, ledger_transaction + 100, time_ns, kind, account, asset, {amount}, order_number,
       fill_number, recorded_at, {step}
FROM paper_ledger_entries WHERE session_id = 's' AND sequence IN (1, 2)
"""
SWAP = "UPDATE paper_trades SET fill_number = 3 - fill_number + 1000 WHERE session_id = 's'"


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ((PAIR.format(amount="amount", step="NULL"),), "paper_ledger_entries: 0 rows up to step 0 were sealed at"),
        ((PAIR.format(amount="0", step="4"),), "the rows after sequence"),
        ((PAIR.format(amount="0", step="99"),), "rows of steps after 5, which was the last"),
        ((SWAP, SWAP.replace("3 - fill_number + 1000", "fill_number - 1000")), "1 of paper_trades"),
        (("UPDATE paper_session_state SET feed_position = 9000000000000000000",), "feed_position 9000000000000000000"),
        (("DELETE FROM paper_session_parts",), "paper_session_parts: 0 rows"),
        (("DELETE FROM paper_trades WHERE fill_number = 1",), "order 1 is filled with 0.1, its fills come to 0"),
        (("UPDATE paper_sessions SET settings = '{}'",), "settings"),
        (
            ("UPDATE paper_positions SET realised = realised + 1000 WHERE position_id = 'p-1'",),
            "the row p-1 was changed",
        ),
        (("DELETE FROM paper_steps WHERE step = 3",), "paper_steps: the rows after step 2 and before 4 are gone"),
    ],
)
async def test_what_was_done_is_told_in_words_and_the_session_does_not_start(
    store: SessionStore, database: Database, statements: tuple[str, ...], words: str
) -> None:
    await lived(store)
    await store.release("s")
    connection = await database.dedicated()
    await connection.execute("SET session_replication_role = replica")
    for each in statements:
        await connection.execute(each)
    await connection.close()
    told = await verify(database, lambda what, done, of: None)
    assert any(words in each for each in told), told
    with pytest.raises(BooksDifferError, match=r"session s is damaged .*`tg db restore`.*`tg db verify`.*--reset"):
        await store.resume("s")
    assert (await store.resume("s", to_end=True)).session.status is SessionStatus.ACTIVE


async def test_a_session_of_before_the_chain_is_sealed_as_it_was_and_goes_on_from_there(
    store: SessionStore, database: Database
) -> None:
    await lived(store)
    connection = await database.dedicated()
    for table in await tables(connection):
        if table not in OTHERS:
            await connection.execute(f"UPDATE {table} SET step = NULL")
    await connection.execute("SELECT paper_seal('s')")
    await connection.execute(
        "INSERT INTO links (stored, rows_before, hash_before) "
        "SELECT 'security_events', * FROM unlinked('security_events')"
    )
    await store.release("s")
    await store.resume("s")
    assert await verify(database, lambda what, done, of: None) == []
    await connection.execute("UPDATE paper_risk_history SET reason = 'none' WHERE number = 1")
    [told] = await verify(database, lambda what, done, of: None)
    assert told.startswith("s: paper_risk_history: 2 rows up to step 5 were sealed at ")
    await connection.execute("DELETE FROM paper_risk_history WHERE number = 2")
    [told] = await verify(database, lambda what, done, of: None)
    assert told.endswith("1 are there now")
    await connection.close()


async def test_a_chain_with_a_hole_takes_no_further_step(store: SessionStore, database: Database) -> None:
    """The rows of a session that was whole stay whole, whatever is done beside it."""
    await store.create(session_record("s"))
    script = ScriptedSession("s")
    await store.commit("s", script.opening())
    await database.rows("", "INSERT INTO paper_steps VALUES ('s', 2, '', '')")
    with pytest.raises(CommitRefusedError):
        await store.commit("s", script.buy())


async def test_a_row_that_nobody_of_ours_has_written_is_refused_in_words_where_it_is_read(
    store: SessionStore, database: Database
) -> None:
    await lived(store)
    await database.rows("", "UPDATE paper_sessions SET initial_balances = '[1]'")
    with pytest.raises(StorageError, match=r"a stored row of s is no SessionRecord \(.*`tg db verify` tells more"):
        await store.latest("demo")


async def test_when_all_was_verified_is_kept(store: SessionStore, database: Database) -> None:
    await lived(store)
    assert await verify(database, lambda what, done, of: None) == []
    [row] = await database.rows("", "SELECT * FROM paper_verifications")
    assert (row["session_id"], row["step"]) == ("s", 5)
