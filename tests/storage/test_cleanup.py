"""Old ended sessions: snapshots become hours, everything else stays until it is asked to go."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record

from triplegain.domain.clock import ManualClock
from triplegain.domain.records import SessionStatus
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9
#: START_NS is 22:13:20; the next hour begins 2800 s later.
OFFSETS_NS = (0, 10**9, 2_800 * 10**9)
EQUITIES = (Decimal(10000), None, Decimal(9000))


async def ended(store: SessionStore, name: str) -> None:
    """Three snapshots, two in the first hour of market time (one of them without a price) and one in the next."""
    await store.create(session_record(name))
    script = ScriptedSession(name)
    await store.commit(name, script.opening())
    await store.commit(name, batch := script.buy())
    snapshot = batch.portfolio_snapshots[0]
    later = tuple(
        replace(snapshot, number=number, time_ns=START_NS + offset, equity=equity)
        for number, (offset, equity) in enumerate(zip(OFFSETS_NS, EQUITIES, strict=True), start=2)
    )
    await store.commit(name, replace(script.idle(), portfolio_snapshots=later))
    await store.set_status(name, SessionStatus.ENDED)
    await store.release(name)


async def test_snapshots_of_a_session_ended_a_month_ago_become_hours(
    store: SessionStore, reader: SessionReader, database: Database, clock: ManualClock
) -> None:
    await ended(store, "old")
    clock.advance_to(START_NS + 20 * DAY_NS)
    await ended(store, "young")
    clock.advance_to(START_NS + 31 * DAY_NS)

    # old: 4 snapshots of the portfolio and 1 of the position go, 2 hours stay
    assert await store.cleanup() == {"rolled_up": 2, "snapshots_deleted": 5, "sessions_deleted": 0}
    assert await reader.portfolio_snapshots("old") == []
    assert len(await reader.portfolio_snapshots("young")) == 4
    assert len(await reader.fills("old")) == 1
    hours = await database.rows("", "SELECT * FROM paper_portfolio_hourly WHERE session_id = 'old' ORDER BY hour")
    assert [(row["hour"].hour, row["snapshots"], row["equity_first"], row["equity_low"]) for row in hours] == [
        # the buy's snapshot stands at 9999.6
        (22, 3, Decimal("9999.6"), Decimal("9999.6")),
        (23, 1, Decimal("9000"), Decimal("9000")),
    ]
    performance = await database.row("", "SELECT * FROM paper_session_performance WHERE session_id = 'old'")
    assert performance is not None
    assert (performance["equity_first"], performance["equity_last"]) == (Decimal("9999.6"), Decimal("9000"))
    assert (performance["orders"], performance["fills"], performance["win_rate"]) == (1, 1, None)


async def test_cleaning_up_twice_changes_nothing_more(store: SessionStore, clock: ManualClock) -> None:
    await ended(store, "old")
    clock.advance_to(START_NS + 31 * DAY_NS)
    await store.cleanup()
    assert await store.cleanup() == {"rolled_up": 0, "snapshots_deleted": 0, "sessions_deleted": 0}


async def test_a_running_session_keeps_its_snapshots_however_old(
    store: SessionStore, reader: SessionReader, clock: ManualClock
) -> None:
    await store.create(session_record("running"))
    script = ScriptedSession("running")
    for batch in (script.opening(), script.buy()):
        await store.commit("running", batch)
    clock.advance_to(START_NS + 400 * DAY_NS)
    await store.cleanup(sessions_days=1)
    assert len(await reader.portfolio_snapshots("running")) == 1


async def test_whole_sessions_go_only_when_asked(
    store: SessionStore, reader: SessionReader, clock: ManualClock
) -> None:
    await ended(store, "old")
    clock.advance_to(START_NS + 100 * DAY_NS)
    assert (await store.cleanup())["sessions_deleted"] == 0
    assert (await store.cleanup(sessions_days=90))["sessions_deleted"] == 1
    assert await reader.list_sessions() == []
    assert await reader.fills("old") == []
