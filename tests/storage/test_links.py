"""Every edit of what is of no step shows: acts of no session, calls of models."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.storage.edited_rows import changed, untold_edits
from tests.storage.mind_steps import call
from tests.storage.scripted_session import START_NS

from triplegain.domain.clock import ManualClock
from triplegain.domain.records import SecurityEvent
from triplegain.domain.spending_limits import SpendingLimits
from triplegain.storage.database import Database
from triplegain.storage.links import link_differences
from triplegain.storage.model_ledger import ModelLedger
from triplegain.storage.security_log import STRANGERS_REFUSED, SecurityLog
from triplegain.storage.stored_books import verify

TABLES = ("security_events", "model_calls")


def act(kind: str, number: int) -> SecurityEvent:
    return SecurityEvent(kind, "key:admin", "127.0.0.1", f"r-{number}", START_NS + number, {"n": number})


async def lived(database: Database, clock: ManualClock) -> None:
    """Three links of each, and a stranger who was refused between them."""
    log, ledger = SecurityLog(database, clock), ModelLedger(database, SpendingLimits(per_decision_usd=Decimal(100)))
    kinds = ("auth_success", STRANGERS_REFUSED, "authorization_denied", "auth_success")
    await log.record_security_events([act(kind, number) for number, kind in enumerate(kinds)])
    for number in range(3):
        made = replace(call(reserved="0.1", cost="0.04"), call_id=f"call-{number}")
        await ledger.reserve(made)
        for _ in "again":
            await ledger.settle(made)


async def found(connection: Any) -> list[str]:
    return await link_differences(connection, lambda what, done, of: None)


async def test_an_edit_of_any_column_is_told(database: Database, clock: ManualClock) -> None:
    await lived(database, clock)
    untold: list[str] = []
    async with changed(database) as connection:
        assert await found(connection) == []
        for table in TABLES:
            for place in (1, 3):
                columns, missed = await untold_edits(connection, table, f"link = {place}", (), found)
                assert columns > 10
                untold += missed
        untold += (await untold_edits(connection, "links", "true", (), found))[1]
    assert untold == []


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("link", [1, 2, 3])
async def test_a_row_that_is_gone_or_was_added_is_told(
    database: Database, clock: ManualClock, table: str, link: int
) -> None:
    await lived(database, clock)
    async with changed(database, f"DELETE FROM {table} WHERE link = {link}") as connection:
        assert any(each.startswith(f"{table}: ") for each in await found(connection))
    key, value = ("event_number", "99") if table == "security_events" else ("call_id", "'other'")
    columns = await database.rows(
        "", "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0", table
    )
    names = [row["attname"] for row in columns]
    copied = ", ".join({key: value, "link": "NULL"}.get(name, name) for name in names)
    added = f"INSERT INTO {table} SELECT {copied} FROM {table} WHERE link = {link}"
    async with changed(database, added) as connection:
        assert await found(connection) == [f"{table}: 0 rows were of no link when links began, 1 are there now"]


async def test_it_is_named_by_verification(database: Database, clock: ManualClock) -> None:
    await lived(database, clock)
    assert await verify(database, lambda what, done, of: None) == []
    await database.rows("", "UPDATE model_calls SET response = 'sell' WHERE call_id = 'call-1'")
    await database.rows("", "UPDATE security_events SET actor = 'key:other' WHERE link = 2")
    told = await verify(database, lambda what, done, of: None)
    assert told == [
        "model_calls: the row of call_id call-1 was changed, or the hash before it",
        "security_events: the row of event_number 3 was changed, or the hash before it",
    ]


async def test_acts_at_the_same_time_are_one_chain_and_strangers_are_forgotten(
    database: Database, clock: ManualClock
) -> None:
    log = SecurityLog(database, clock)
    kinds = ("auth_success", STRANGERS_REFUSED)
    batches = [[act(kind, number) for kind in kinds] for number in range(12)]
    await asyncio.gather(*(log.record_security_events(batch) for batch in batches))
    await log.remove_strangers(START_NS * 2)
    assert await verify(database, lambda what, done, of: None) == []
    [row] = await database.rows("", "SELECT last FROM links WHERE stored = 'security_events'")
    assert row["last"] == 12
