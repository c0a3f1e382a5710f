"""What is kept for how long: old snapshots become hours, also of a session that goes on; everything else stays."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record

from triplegain.domain.clock import ManualClock
from triplegain.domain.records import SessionStatus
from triplegain.storage.database import Database
from triplegain.storage.retention import Retention, Round
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9
#: START_NS is 22:13:20; the next hour begins 2800 s later.
OFFSETS_NS = (0, 10**9, 2_800 * 10**9)
EQUITIES = (Decimal(10000), None, Decimal(9000))
NOTHING = {"rolled_up": 0, "snapshots_deleted": 0}


async def begun(store: SessionStore, name: str) -> ScriptedSession:
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
    return script


async def ended(store: SessionStore, name: str) -> None:
    await begun(store, name)
    await store.set_status(name, SessionStatus.ENDED)
    await store.release(name)


async def test_snapshots_that_were_recorded_long_ago_become_hours(
    store: SessionStore, reader: SessionReader, database: Database
) -> None:
    await ended(store, "old")
    await ended(store, "young")
    for table in ("paper_portfolio_snapshots", "paper_position_snapshots"):
        younger = f"UPDATE {table} SET recorded_at = recorded_at + interval '20 days' WHERE session_id = 'young'"
        await database.rows("", younger)

    # old: 4 snapshots of the portfolio and 1 of the position go, 2 hours stay
    before_ns = START_NS + DAY_NS
    assert await Retention(database).roll_up(before_ns) == {"rolled_up": 2, "snapshots_deleted": 5}
    assert await Retention(database).roll_up(before_ns) == NOTHING
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


@pytest.mark.parametrize("status", [SessionStatus.ACTIVE, SessionStatus.PAUSED])
async def test_of_a_session_that_goes_on_only_hours_that_are_over_are_rolled_up(
    store: SessionStore, reader: SessionReader, database: Database, clock: ManualClock, status: SessionStatus
) -> None:
    script = await begun(store, "on")
    clock.advance_to(START_NS + 40 * DAY_NS)
    retention = Retention(database)
    # Its market stands in the first hour: more may come to it, whatever was recorded when.
    assert await retention.roll_up(clock.now_ns()) == NOTHING
    await store.set_status("on", status)
    rows = await database.rows("", "SELECT max(market_time_ns) AS at FROM paper_session_state")
    assert rows[0]["at"] < START_NS - START_NS % HOUR_NS + HOUR_NS
    step = replace(script.idle(), market_time_ns=START_NS - START_NS % HOUR_NS + HOUR_NS)
    await store.commit("on", step)
    assert await retention.roll_up(clock.now_ns()) == {"rolled_up": 1, "snapshots_deleted": 4}
    assert [each.number for each in await reader.portfolio_snapshots("on")] == [4]
    assert await retention.roll_up(clock.now_ns()) == NOTHING


async def test_an_hour_of_which_something_is_young_stays_whole(
    store: SessionStore, reader: SessionReader, database: Database
) -> None:
    await ended(store, "a")
    # Of the first hour three are old by this, and the fourth, of the next hour, is younger.
    later = "UPDATE paper_portfolio_snapshots SET recorded_at = recorded_at + interval '1 day' WHERE number = 3"
    await database.rows("", later)
    assert await Retention(database).roll_up(START_NS + DAY_NS // 2) == NOTHING
    assert len(await reader.portfolio_snapshots("a")) == 4


async def test_whole_sessions_go_only_when_they_ended_before(
    store: SessionStore, reader: SessionReader, database: Database, clock: ManualClock
) -> None:
    await ended(store, "old")
    await begun(store, "running")
    clock.advance_to(START_NS + 100 * DAY_NS)
    retention = Retention(database)
    assert await retention.remove_ended(START_NS - DAY_NS) == 0
    assert await retention.remove_ended(START_NS + 90 * DAY_NS) == 1
    assert [each.session_id for each in await reader.list_sessions()] == ["running"]
    assert await reader.fills("old") == []


async def test_a_round_is_due_when_its_time_has_passed_since_the_last(database: Database) -> None:
    retention = Retention(database)
    assert await retention.is_due(HOUR_NS, START_NS)
    for number in range(120):
        await retention.record(Round(START_NS + number * 1000, {"rolled_up": number}))
    last = await retention.last_round()
    assert last == Round(START_NS + 119_000, {"rolled_up": 119})
    assert not await retention.is_due(HOUR_NS, last.ran_at_ns + HOUR_NS - 1)
    assert await retention.is_due(HOUR_NS, last.ran_at_ns + HOUR_NS)
    assert len(await database.rows("", "SELECT * FROM housekeeping")) == 100


async def test_every_table_has_its_size(database: Database) -> None:
    sizes = await Retention(database).sizes()
    assert {"paper_trades", "paper_ledger_entries", "housekeeping"} <= set(sizes)
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)


async def test_the_keys_of_a_session_go_with_it(store: SessionStore, database: Database, clock: ManualClock) -> None:
    """Whoever takes its name later is not reached by them."""
    log = SecurityLog(database, clock)
    await ended(store, "old")
    await log.add_api_key("of the session", "trader", "", "old")
    await log.add_api_key("of the owner", "admin", "")
    assert await Retention(database).remove_ended(clock.now_ns() + DAY_NS) == 1
    assert await log.api_keys() == {"of the owner": ("admin", None)}
