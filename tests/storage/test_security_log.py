"""Keys and the audit."""

from __future__ import annotations

from tests.storage.revoked import revoke_api_key

from triplegain.domain.clock import ManualClock
from triplegain.domain.records import SecurityEvent
from triplegain.storage.database import Database
from triplegain.storage.security_log import SecurityLog


async def test_a_key_has_its_role_until_it_is_revoked(database: Database, clock: ManualClock) -> None:
    log = SecurityLog(database, clock)
    await log.add_api_key("hash", "trader", "dashboard")
    await log.add_api_key("hash", "admin", "somebody else")
    assert await log.api_keys() == {"hash": ("trader", None)}
    await revoke_api_key(log, "hash")
    assert await log.api_keys() == {}


async def test_security_events_are_read_in_order_from_a_cursor(database: Database, clock: ManualClock) -> None:
    log = SecurityLog(database, clock)
    events = [SecurityEvent("auth_failure", "nobody", "127.0.0.1", f"r-{n}", 1000 * n, {"n": n}) for n in range(1, 4)]
    await log.record_security_events(events)
    numbered = await log.security_events(limit=2)
    assert [event for _, event in numbered] == events[:2]
    assert [event for _, event in await log.security_events(after=numbered[-1][0])] == events[2:]


async def test_rows_of_strangers_are_removed_when_they_are_old_and_acts_never(
    database: Database, clock: ManualClock
) -> None:
    log = SecurityLog(database, clock)
    kinds = ["auth_failure", "auth_failure", "auth_success"]
    events = [SecurityEvent(kind, "nobody", "loopback", "", 1000 * n) for n, kind in enumerate(kinds, start=1)]
    await log.record_security_events(events)
    await log.remove_strangers(2000)
    assert [event.recorded_at_ns for _, event in await log.security_events()] == [2000, 3000]
