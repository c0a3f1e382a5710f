"""A reset that meets the end of the system: taken, surely not taken, or to be looked up."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.app.steered import opened_system

from triplegain.domain.commands import AnyAnswer, Done, NotDone, ResetSession, Unknown
from triplegain.domain.errors import StoreAwayError, TripleGainError
from triplegain.domain.ids import Origin
from triplegain.domain.records import SecurityEvent
from triplegain.domain.refusals import Code

AUDIT = SecurityEvent("paper_reset", "admin", "127.0.0.1", "r", 0)


@pytest.mark.parametrize("moment", ["before it stops", "as it stops", "while its end is stored", "while it is reset"])
async def test_a_reset_that_was_surely_not_taken_is_not_done(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    answers: list[asyncio.Task[AnyAnswer]] = []
    async with opened_system(database_url, tmp_path) as opened:
        system = opened.system
        first = system.opened.record.session_id

        def ask() -> None:
            answers.append(asyncio.ensure_future(system.submit(ResetSession(), Origin.HAND, AUDIT)))

        async def set_status(*_: Any) -> None:
            ask()
            await asyncio.sleep(0)

        async def away(*_: Any, **__: Any) -> None:
            raise TripleGainError("the database is away")

        if moment == "while its end is stored":
            monkeypatch.setattr(system._store, "set_status", set_status)
        if moment == "while it is reset":
            monkeypatch.setattr(system._store, "reset", away)
        run = asyncio.create_task(system.run())
        await opened.until(lambda: opened.session.prices.quote("BTC/USDT"))
        if moment in ("before it stops", "while it is reset"):
            ask()
            await asyncio.sleep(0)
        if moment == "while its end is stored":
            # As where the duration is over.
            system.runner.stop()
        elif moment != "while it is reset":
            system.stop()
        if moment == "as it stops":
            ask()
        with suppress(TripleGainError):
            await run
        [answer] = await asyncio.gather(*answers)
        sessions = [each.session_id for each in await opened.reader.list_sessions(include_ended=True)]
    assert sessions == [first]
    if moment == "while it is reset":
        assert isinstance(answer, Unknown)
    else:
        assert isinstance(answer, NotDone) and answer.refusal.code is Code.STOPPED


async def test_a_reset_waits_for_a_database_that_goes_away_on_the_way(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []
    async with opened_system(database_url, tmp_path) as opened:
        system = opened.system
        first, reset = system.opened.record.session_id, system._store.reset

        async def away_at_first(*given: Any, **more: Any) -> Any:
            attempts.append(given[1].session_id)
            if len(attempts) < 3:
                raise StoreAwayError("the database is away")
            return await reset(*given, **more)

        monkeypatch.setattr(system._store, "reset", away_at_first)
        run = asyncio.create_task(system.run())
        await opened.until(lambda: opened.session.prices.quote("BTC/USDT"))
        asked = asyncio.ensure_future(system.submit(ResetSession(), Origin.HAND, AUDIT))
        await opened.until(lambda: len(attempts) == 2)
        late = await system.submit(ResetSession(), Origin.HAND, AUDIT)
        answer = await asked
        system.stop()
        await run
        sessions = {each.session_id for each in await opened.reader.list_sessions(include_ended=True)}
    assert isinstance(late, NotDone) and late.refusal.code is Code.DATABASE_AWAY
    assert isinstance(answer, Done) and sessions == {first, answer.record}
    # The same session each time, so that what was done unheard is known again.
    assert len(set(attempts)) == 1 and len(attempts) == 3


async def test_what_follows_a_reset_has_its_own_name_and_is_no_longer_reached_by_that_of_the_one_before(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_system(database_url, tmp_path) as opened:
        run = asyncio.create_task(opened.system.run())
        await opened.until(lambda: opened.session.prices.quote("BTC/USDT"))
        first = opened.system.opened.record.session_id
        assert (await opened.get(f"/sessions/{first}/paper/mode"))["session"] == first
        second = (await opened.post(f"/sessions/{first}/paper/reset")).json()["session"]
        gone = await opened.post(f"/sessions/{first}/coordinator/emergency")
        assert (gone.status_code, gone.json()["error_code"]) == (404, "session_not_found")
        assert (await opened.get(f"/sessions/{second}/paper/mode"))["paused"] is False
        listed = (await opened.get("/sessions"))["items"]
        assert {each["session"]: (each["running"], each["main"]) for each in listed} == {
            first: (False, False), second: (True, True),
        }  # fmt: skip
        opened.system.stop()
        await run
