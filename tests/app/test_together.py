"""Several sessions of one process on one market: each what it would be alone, from its opening to its next start."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.app.steered import opened_system, running

from triplegain.app.opening import PaperOptions, check_words
from triplegain.app.paper_system import PaperSystem
from triplegain.config import load_config
from triplegain.domain.clock import SystemClock
from triplegain.domain.commands import Done, NotDone, Pause, PlaceOrder, ResetSession
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.ids import Origin
from triplegain.domain.orders import Limit, OrderRequest, Side
from triplegain.domain.records import SecurityEvent, SessionStatus
from triplegain.domain.refusals import RefusedError
from triplegain.storage.database import Database
from triplegain.storage.errors import StorageError
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

#: A trader on candles of a second trades more in a minute than the cool-downs would let through in an hour.
WITHOUT_COOLDOWNS = """
cooldown_minutes: {trade: 0, loss: 0, losing_streak: 0, long_losing_streak: 0, volatility_spike: 0, unusual_move: 0}
"""
AUDIT = SecurityEvent("paper_trade", "admin", "127.0.0.1", "r", 0)


@asynccontextmanager
async def paper(url: str, folder: Path, *names: str, duration: str = "30s") -> AsyncIterator[PaperSystem]:
    """Sessions of these names on one demo market, the first of them the main one."""
    clock, database = SystemClock(), await Database.connect(url)
    store, reader = SessionStore(database, clock), SessionReader(database)
    main, *others = names
    options = PaperOptions(
        feed="demo", speed="max", session=main, llm="none", duration=duration, seed=3, others=tuple(others)
    )
    (folder / "risk.yaml").write_text(WITHOUT_COOLDOWNS)
    system = PaperSystem(options, load_config({}, folder), folder, database, store, reader, clock, {})
    try:
        await system.open()
        yield system
    finally:
        await system.models.aclose()
        await store.close()
        await database.close()


async def played(url: str, folder: Path, *names: str, duration: str = "30s") -> dict[str, Any]:
    """Their hashes."""
    async with paper(url, folder, *names, duration=duration) as system:
        await system.run()
        return {name: await system._reader.hashes(name) for name in names}


async def test_sessions_that_share_a_market_are_what_they_would_be_alone(database_url: str, tmp_path: Path) -> None:
    """They trade, go on together from different places of the market, and end with the same fills and books."""
    first = await played(database_url, tmp_path, "a", "b", duration="60s")
    assert first["a"] == first["b"] == (await played(database_url, tmp_path, "alone", duration="60s"))["alone"]
    # One goes on alone, and the other is brought up to where it stands.
    await played(database_url, tmp_path, "b", duration="20s")
    last = await played(database_url, tmp_path, "a", "b", "new", duration="20s")
    alone = await played(database_url, tmp_path, "alone", duration="40s")
    assert last["a"] == last["b"] == alone["alone"] != first["a"]
    assert last["new"] != last["a"]


async def test_a_session_comes_and_goes_while_another_runs(database_url: str, tmp_path: Path) -> None:
    async with opened_system(database_url, tmp_path) as opened, running(opened):
        system = opened.system
        guest = await system.join("guest", {"USDT": Decimal(500)})
        assert system.running() == (system.opened.record.session_id, "guest")
        await opened.until(lambda: guest.view().quotes["BTC/USDT"])
        shown = await opened.get("/sessions/guest/paper/portfolio")
        assert "500" in json.dumps(shown) and "10000" in json.dumps(await opened.get("/paper/portfolio"))
        price = Limit(Decimal(await opened.stop_at("0.01")))
        order = OrderRequest("near", "BTC/USDT", Side.BUY, Decimal("0.001"), price)
        answer = await guest.submit(PlaceOrder(order), Origin.HAND, AUDIT)
        assert isinstance(answer, Done)
        assert [each.request.client_order_id for each in guest.view().open_orders] == ["near"]
        assert not system.view().open_orders
        assert isinstance(await guest.submit(ResetSession(), Origin.HAND, AUDIT), NotDone)
        assert isinstance(await system.submit(ResetSession(), Origin.HAND, AUDIT), NotDone)
        with pytest.raises(InvalidValueError, match="already"):
            await system.join("guest")
        # Nothing of its own is stored for a while: a command is, at the place of the market where it came.
        before = system.runner.position
        await opened.until(lambda: system.runner.position > before + 500)
        before = system.runner.position
        assert isinstance(await guest.submit(Pause(), Origin.HAND, AUDIT), Done)
        assert (await system._store.stored("guest")).feed_position >= before
        await system.part("guest")
        assert system.running() == (system.opened.record.session_id,)
        with pytest.raises(RefusedError):
            system.control("guest")
        assert (await opened.reader.session("guest")).status is SessionStatus.PAUSED
        assert not opened.session.floor._aiming["BTC/USDT"]
    async with paper(database_url, tmp_path, "guest", duration="5s") as system:
        assert [each.request.client_order_id for each in system.view().open_orders] == ["near"]


async def test_a_session_whose_step_is_refused_ends_alone(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    async with paper(database_url, tmp_path, "a", "b", "c", duration="60s") as system:
        system.tell = told.append
        commit, refused = SessionStore.commit, 0

        async def refuses(self: SessionStore, session_id: str, batch: Any) -> None:
            nonlocal refused
            if session_id == "b" and batch.fills:
                refused += 1
                raise StorageError("a row is out of range")
            await commit(self, session_id, batch)

        monkeypatch.setattr(SessionStore, "commit", refuses)
        await system.run()
        assert refused == 1
        statuses = {each.session_id: each.status for each in await system._reader.list_sessions(include_ended=True)}
        assert statuses == dict.fromkeys(("a", "b", "c"), SessionStatus.PAUSED)
        assert (await system._reader.statistics("a")).fills == (await system._reader.statistics("c")).fills > 0
        assert (await system._reader.statistics("b")).fills == 0
    assert told == ["The session b runs no more: a row is out of range. The others go on."]
    monkeypatch.undo()
    again = await played(database_url, tmp_path, "b", "a", duration="1s")
    assert again["a"] == again["b"]


@pytest.mark.parametrize(
    ("names", "words"), [(("a", "a"), "stands there twice"), (("a", "b/c"), "cannot name a session")]
)
async def test_names_that_cannot_be(database_url: str, tmp_path: Path, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        check_words(PaperOptions(session=names[0], others=names[1:]))
        await played(database_url, tmp_path, *names)


@pytest.mark.parametrize("differs", [{"feed": "replay:/elsewhere"}, {"seed": 4}, {"settings": {"instruments": []}}])
async def test_sessions_of_different_markets_do_not_run_together(
    database_url: str, tmp_path: Path, differs: dict[str, Any]
) -> None:
    await played(database_url, tmp_path, "demo", duration="5s")
    clock, database = SystemClock(), await Database.connect(database_url)
    store = SessionStore(database, clock)
    record = await SessionReader(database).session("demo")
    await store.create(structs.replace(record, session_id="other", **differs))
    await store.close()
    await database.close()
    with pytest.raises(InvalidValueError, match="another market"):
        await played(database_url, tmp_path, "demo", "other")
