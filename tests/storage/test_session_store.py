"""Sessions: created, committed to, resumed, locked, ended."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import asyncpg
import msgspec
import pytest
from msgspec.structs import replace
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record
from tests.storage.stored_rows import ledger_entries, position_snapshots

from triplegain.domain.clock import ManualClock
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import CommitBatch, SecurityEvent, SessionStatus
from triplegain.storage.database import Database
from triplegain.storage.errors import (
    CommitRefusedError,
    SessionEndedError,
    SessionLockedError,
    SessionNotFoundError,
    StorageError,
)
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

SESSION = "paper_20231114_221320"
TABLES = (
    "paper_orders", "paper_order_events", "paper_trades", "paper_ledger_entries", "paper_balances", "paper_positions",
    "paper_decisions", "paper_portfolio_snapshots", "paper_position_snapshots", "security_events",
)  # fmt: skip


async def row_counts(database: Database) -> dict[str, int]:
    query = " UNION ALL ".join(f"SELECT '{table}' AS name, count(*) AS n FROM {table}" for table in TABLES)
    return {row["name"]: row["n"] for row in await database.rows("counting", query)}


async def opened(store: SessionStore, session_id: str = SESSION) -> ScriptedSession:
    created = await store.create(session_record(session_id))
    script = ScriptedSession(created.session_id)
    await store.commit(created.session_id, script.opening())
    return script


async def test_a_session_that_is_created_reads_back_as_it_was_given(store: SessionStore, reader: SessionReader) -> None:
    given = session_record()
    assert await store.create(given) == given
    assert await reader.session(SESSION) == given


async def test_an_id_that_exists_gets_a_suffix(store: SessionStore) -> None:
    names = [(await store.create(session_record())).session_id for _ in range(3)]
    assert names == [SESSION, f"{SESSION}_2", f"{SESSION}_3"]


async def test_everything_of_a_step_reads_back_as_it_was_given(
    store: SessionStore, reader: SessionReader, database: Database
) -> None:
    script = await opened(store)
    batch = script.buy()
    await store.commit(SESSION, batch)
    assert await reader.orders(SESSION) == list(batch.orders)
    assert await reader.fills(SESSION) == list(batch.fills)
    assert await reader.positions(SESSION) == list(batch.positions)
    assert await reader.decisions(SESSION) == list(batch.decisions)
    assert await reader.portfolio_snapshots(SESSION) == list(batch.portfolio_snapshots)
    assert await position_snapshots(database, SESSION) == list(batch.position_snapshots)
    assert (await ledger_entries(database, SESSION))[-len(batch.entries) :] == list(batch.entries)
    # 10000 - 100 - 0.4 = 9899.6
    assert {each.asset: each.total for each in await reader.balances(SESSION)} == {
        "BTC": Decimal("0.1"),
        "USDT": Decimal("9899.6"),
    }


async def test_resume_gives_back_the_state_and_what_is_open(database: Database, clock: ManualClock) -> None:
    before = SessionStore(database, clock)
    script = await opened(before)
    for batch in (script.buy(), script.rest()):
        await before.commit(SESSION, batch)
    await before.set_status(SESSION, SessionStatus.PAUSED)
    await before.close()

    after = SessionStore(database, clock)
    found = await after.resume(SESSION)
    assert found is not None
    assert found.session.status is SessionStatus.ACTIVE
    assert (found.feed_position, found.market_time_ns) == (batch.feed_position, batch.market_time_ns)
    assert found.form == 3
    assert {name: msgspec.json.decode(state) for name, state in found.parts.items()} == {
        ("wallet", ""): script.kept_wallet(),
        **{("steps", str(step)): 1 for step in (1, 2, 3)},
    }
    reader = SessionReader(database)
    assert await reader.orders(SESSION, status=[OrderStatus.OPEN]) == list(batch.orders)
    assert [position.position_id for position in await reader.positions(SESSION, closed=False)] == ["p-1"]
    # 10000 - 100.4 spent = 9899.6, of which 100.4 are held for the resting order
    assert [(each.asset, each.total, each.held) for each in await reader.balances(SESSION)] == [
        ("BTC", Decimal("0.1"), Decimal(0)),
        ("USDT", Decimal("9899.6"), Decimal("100.4")),
    ]
    await after.commit(SESSION, script.buy())
    await after.close()


async def test_the_latest_session_of_a_feed_is_the_one_that_was_stored_last_and_has_not_ended(
    database: Database, clock: ManualClock
) -> None:
    store = SessionStore(database, clock)
    for name, feed in (("old", "demo"), ("new", "demo"), ("other", "live"), ("done", "demo")):
        clock.advance_to(clock.now_ns() + 10**9)
        record = replace(session_record(name, feed), updated_at_ns=clock.now_ns())
        await store.create(record)
    await store.set_status("done", SessionStatus.ENDED)
    await store.close()
    found = await store.latest("demo")
    assert found is not None and found.session_id == "new"
    assert await store.latest("replay:nothing") is None
    await store.close()


async def test_an_ended_or_unknown_session_is_not_resumed(store: SessionStore) -> None:
    await opened(store)
    await store.set_status(SESSION, SessionStatus.ENDED)
    await store.release(SESSION)
    with pytest.raises(SessionEndedError, match="has ended"):
        await store.resume(SESSION)
    with pytest.raises(SessionNotFoundError, match="no session nothing"):
        await store.resume("nothing")
    with pytest.raises(SessionEndedError):
        await store.set_status(SESSION, SessionStatus.ACTIVE)


async def test_a_second_process_cannot_write_or_end_a_session(
    store: SessionStore, database: Database, clock: ManualClock
) -> None:
    await opened(store)
    second = SessionStore(database, clock)
    with pytest.raises(SessionLockedError, match="in use by triplegain process") as refused:
        await second.resume(SESSION)
    assert refused.value.exit_code == 7
    with pytest.raises(SessionLockedError):
        await second.set_status(SESSION, SessionStatus.ENDED)
    await store.release(SESSION)
    assert await second.resume(SESSION) is not None
    await second.close()


async def test_a_batch_sent_twice_or_left_out_is_refused_and_changes_nothing(
    store: SessionStore, database: Database
) -> None:
    script = await opened(store)
    first, second, third = script.buy(), script.buy(), script.buy()
    await store.commit(SESSION, first)
    before = await row_counts(database)
    with pytest.raises(CommitRefusedError):
        await store.commit(SESSION, first)
    with pytest.raises(CommitRefusedError):
        await store.commit(SESSION, third)
    assert await row_counts(database) == before
    await store.commit(SESSION, second)
    await store.commit(SESSION, third)


def without(batch: CommitBatch, **changes: object) -> CommitBatch:
    return replace(batch, **changes)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        # the last entry is the fee's counterpart: without it the fee transaction does not sum to zero
        (lambda b: without(b, entries=b.entries[:-1]), "out of balance by -0.4"),
        # 9899.6 would be right
        (
            lambda b: without(b, balances=(b.balances[0], replace(b.balances[1], total=Decimal("9900")))),
            "balance of USDT is not the stored 10000",
        ),
        (lambda b: without(b, balances=b.balances[:1]), "balance of USDT"),
        (lambda b: without(b, events=b.events[1:]), "events 2 to 3"),
        (lambda b: without(b, fills=()), "what order 1 says is filled"),
        (lambda b: without(b, orders=(replace(b.orders[0], filled_quantity=Decimal("0.2")),)), "what order 1"),
        (lambda b: without(b, decisions=(replace(b.decisions[0], number=2),)), "decisions 2 to 2"),
        (lambda b: without(b, feed_position=0), "lies before the stored message"),
    ],
)
async def test_a_step_that_does_not_add_up_is_refused_whole(  # type: ignore[no-untyped-def]
    store: SessionStore, database: Database, broken, says: str
) -> None:
    script = await opened(store)
    before = await row_counts(database)
    batch = script.buy()
    with pytest.raises(CommitRefusedError, match=says) as refused:
        await store.commit(SESSION, broken(batch))
    assert refused.value.exit_code == 5
    assert await row_counts(database) == before
    await store.commit(SESSION, batch)


async def test_a_failure_in_the_last_statement_of_a_step_leaves_nothing_of_it(
    store: SessionStore, database: Database, database_url: str
) -> None:
    script = await opened(store)
    before = await row_counts(database)
    disk_full = """
        CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER disk_full BEFORE UPDATE ON paper_session_state EXECUTE FUNCTION disk_full();
    """
    connection = await asyncpg.connect(database_url)
    await connection.execute(disk_full)
    batch = script.buy()
    with pytest.raises(StorageError, match="disk is full"):
        await store.commit(SESSION, batch)
    assert await row_counts(database) == before
    await connection.execute("DROP TRIGGER disk_full ON paper_session_state")
    await connection.close()
    await store.commit(SESSION, batch)


async def test_a_final_order_keeps_its_status(store: SessionStore) -> None:
    script = await opened(store)
    await store.commit(SESSION, batch := script.buy())
    reopened = replace(batch.orders[0], status=OrderStatus.OPEN)
    with pytest.raises(CommitRefusedError, match="final"):
        await store.commit(SESSION, replace(script.idle(), orders=(reopened,)))


async def test_an_ended_session_takes_no_more_steps(store: SessionStore) -> None:
    script = await opened(store)
    await store.set_status(SESSION, SessionStatus.ENDED)
    with pytest.raises(CommitRefusedError, match="has ended"):
        await store.commit(SESSION, script.idle())


async def test_reset_archives_the_old_session_and_audits_it_in_the_same_transaction(
    store: SessionStore, reader: SessionReader, database: Database, clock: ManualClock
) -> None:
    script = await opened(store)
    await store.commit(SESSION, script.buy())
    event = SecurityEvent("paper_reset", "key:admin", "127.0.0.1", "r-9", START_NS, {"why": "test"})
    successor = await store.reset(SESSION, session_record(), audit=event)
    assert successor.session_id == f"{SESSION}_2"
    old = await reader.session(SESSION)
    assert (old.status, old.ended_at_ns) == (SessionStatus.ENDED, START_NS)
    assert len(await reader.fills(SESSION)) == 1
    assert [each for _, each in await SecurityLog(database, clock).security_events()] == [event]


async def test_a_reset_without_a_successor_ends_nothing(
    store: SessionStore, reader: SessionReader, database: Database
) -> None:
    script = await opened(store)
    await database.rows("forbidding", "ALTER TABLE paper_sessions ADD CONSTRAINT no_seed CHECK (seed <> 77)")
    with pytest.raises(StorageError, match="no_seed"):
        await store.reset(SESSION, replace(session_record(), seed=77))
    assert (await reader.session(SESSION)).status is SessionStatus.ACTIVE
    await store.commit(SESSION, script.buy())


async def test_after_a_reset_the_old_lock_is_free_and_the_new_one_is_held(
    store: SessionStore, database: Database, clock: ManualClock
) -> None:
    other_store = SessionStore(database, clock)
    await opened(store)
    successor = await store.reset(SESSION, session_record())
    with pytest.raises(SessionEndedError):
        await other_store.resume(SESSION)
    with pytest.raises(SessionLockedError):
        await other_store.resume(successor.session_id)
    await store.commit(successor.session_id, ScriptedSession(successor.session_id).opening())


async def test_security_events_of_a_step_are_stored_with_it(
    store: SessionStore, database: Database, clock: ManualClock
) -> None:
    script = await opened(store)
    await store.commit(SESSION, batch := script.audited())
    assert [each for _, each in await SecurityLog(database, clock).security_events()] == list(batch.security_events)


async def test_sessions_written_at_the_same_time_do_not_disturb_each_other(
    store: SessionStore, reader: SessionReader
) -> None:
    scripts = [await opened(store, f"s{number}") for number in range(4)]

    async def trade(script: ScriptedSession) -> None:
        for _ in range(20):
            await store.commit(script.session_id, script.buy())

    await asyncio.gather(*(trade(script) for script in scripts))
    for script in scripts:
        found = await reader.statistics(script.session_id)
        assert (found.orders, found.fills) == (20, 20)
        # 20 fees of 0.4; 10000 - 20 x 100.4 = 7992
        assert found.fees == {"USDT": Decimal(8)}
        totals = {each.asset: each.total for each in await reader.balances(script.session_id)}
        assert totals == {"BTC": Decimal(2), "USDT": Decimal(7992)}
