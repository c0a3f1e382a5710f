"""A round of housekeeping does all that it can, and tells what it could not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record

from triplegain.app.housekeeping import Housekeeping
from triplegain.config.infrastructure import DatabaseSettings
from triplegain.domain.clock import ManualClock
from triplegain.storage import sealing
from triplegain.storage.database import Database
from triplegain.storage.errors import BooksDifferError
from triplegain.storage.retention import Retention
from triplegain.storage.session_store import SessionStore
from triplegain.storage.stored_books import verify

DAY_NS = 86_400 * 10**9


async def test_old_steps_are_sealed_and_those_of_a_damaged_session_are_told(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "STEPS_AT_START", 1)
    database, clock = await Database.connect(database_url), ManualClock(START_NS + 31 * DAY_NS)
    store = SessionStore(database, clock)
    for name in ("whole", "damaged"):
        await store.create(session_record(name))
        script = ScriptedSession(name)
        for batch in (script.opening(), script.buy(), script.idle()):
            await store.commit(name, batch)
    await database.rows("", "UPDATE paper_decisions SET symbol = 'XRP/USDT' WHERE session_id = 'damaged'")
    keep = replace(DatabaseSettings(), step_retention_days=0)
    assert (await Housekeeping(database, keep, 0, clock).clean())["steps_sealed"] == 0
    clock.advance_to(clock.now_ns() + DAY_NS)
    with pytest.raises(BooksDifferError, match=r"^the old steps of damaged are not sealed: .*`tg db verify`"):
        await Housekeeping(database, DatabaseSettings(), 0, clock).clean()
    done = await Retention(database).last_round()
    assert done is not None and done.ran_at_ns == clock.now_ns() and done.removed["steps_sealed"] == 2
    told = await verify(database, lambda what, done, of: None)
    assert told and all(each.startswith("damaged: ") for each in told)
    await store.close()
    await database.close()
