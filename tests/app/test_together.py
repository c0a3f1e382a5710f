"""Several sessions of one process on one market: each what it would be alone, from its opening to its next start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.app.steered import opened_system, options, running

from triplegain.app import guest_list
from triplegain.app.opening import PaperOptions, SessionOpening, check_words
from triplegain.app.paper_system import PaperSystem
from triplegain.config import load_config
from triplegain.domain.clock import SystemClock
from triplegain.domain.commands import Done, NotDone, Pause, PlaceOrder, ResetSession
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.ids import Origin
from triplegain.domain.orders import Limit, OrderRequest, Side
from triplegain.domain.records import SecurityEvent, SessionStatus
from triplegain.domain.refusals import RefusedError
from triplegain.llm.reply import FailureKind, ModelFailure
from triplegain.session.trading_session import TradingSession
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
    wanted = PaperOptions(
        feed="demo", speed="max", session=main, llm="none", duration=duration, seed=3, others=tuple(others)
    )
    (folder / "risk.yaml").write_text(WITHOUT_COOLDOWNS)
    system = PaperSystem(wanted, load_config({}, folder), folder, database, store, reader, clock, {})
    try:
        await system.open()
        yield system
    finally:
        await system.models.aclose()
        await store.close()
        await database.close()


def fault(*_: Any) -> None:
    raise RuntimeError("a fault")


def breaking(system: PaperSystem, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The next message of the market is too much for that session."""
    for session in system.opened.session.floor.sessions:
        if isinstance(session, TradingSession) and session.settings.session_id == name:
            monkeypatch.setattr(session, "before", fault)
            session.floor.heed(session)


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


async def test_a_session_beside_another_begins_anew_on_the_market_as_it_is(database_url: str, tmp_path: Path) -> None:
    async with opened_system(database_url, tmp_path) as opened, running(opened):
        system = opened.system
        await system.join("guest", {"USDT": Decimal(500)})
        await opened.until(lambda: system.control("guest").view().quotes["BTC/USDT"])
        answers = await asyncio.gather(*(opened.post("/sessions/guest/paper/reset") for _ in range(2)))
        codes = sorted(answer.status_code for answer in answers)
        [done] = [answer.json() for answer in answers if answer.status_code == 201]
        assert codes == [201, 404] and done["previous"] == "guest"
        following = done["session"]
        assert system.running() == (system.opened.record.session_id, following)
        assert (await opened.reader.session("guest")).status is SessionStatus.ENDED
        await opened.until(lambda: system.control(following).view().summary.equity == 500)
        before = system.runner.position
        assert isinstance(await system.control(following).submit(Pause(), Origin.HAND, AUDIT), Done)
        assert (await system._store.stored(following)).feed_position >= before > 0
        refused = await opened.post("/paper/reset")
        assert refused.status_code == 422 and "--session NAME --reset" in refused.text


HOSTILE: list[tuple[str, dict[Any, Any]]] = [
    *[("x", {"USDT": amount}) for amount in (-1, "NaN", "Infinity", "1e400", "x", None, Decimal("NaN"), "1e-30")],
    *[("x", {asset: 1}) for asset in ("", "BTC/USDT", None, 5)],
    *[(name, {}) for name in ("a/b", "..", "", "x" * 65, "\x00", "-", "main/../x")],
]


async def test_what_joins_is_what_a_configuration_could_open(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests_max = 6
    monkeypatch.setattr(guest_list, "GUESTS_MAX", guests_max)
    async with opened_system(database_url, tmp_path) as opened, running(opened):
        system = opened.system
        for name, balances in HOSTILE:
            with pytest.raises(InvalidValueError):
                await system.join(name, balances)
        joining = await asyncio.gather(*(system.join("twice") for _ in range(3)), return_exceptions=True)
        assert sorted(isinstance(each, InvalidValueError) for each in joining) == [False, True, True]
        await system.join("empty", {})
        await system.join("unknown", {"doge": Decimal(7)})
        await opened.until(lambda: system.control("unknown").view().balances)
        assert [each.asset for each in system.control("unknown").view().balances] == ["DOGE"]
        for number in range(guests_max - 3 - 1):
            await system.join(f"n{number}")
        # Of three that come at once for the last place, one gets it.
        coming = await asyncio.gather(*(system.join(f"more{number}") for number in range(3)), return_exceptions=True)
        refused = [str(each) for each in coming if isinstance(each, InvalidValueError)]
        assert refused == ["no more than 7 sessions share a market in one process"] * 2
        assert len(system.running()) == guests_max + 1
        assert (await opened.post("/paper/pause")).json()["session"] == system.running()[0]


@pytest.mark.parametrize("failing", ["a", "b"])
@pytest.mark.parametrize("where", ["store", "market"])
async def test_what_goes_wrong_with_a_session_ends_that_one_alone(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, where: str
) -> None:
    """The main one (a) or another: a step that the store refuses, or a fault while the market does something to it."""
    told: list[str] = []
    async with paper(database_url, tmp_path, "a", "b", "c", duration="40s") as system:
        system.tell = told.append
        if where == "store":
            commit = SessionStore.commit

            async def refuses(self: SessionStore, session_id: str, batch: Any) -> None:
                if session_id == failing and batch.fills:
                    raise StorageError("a row is out of range")
                await commit(self, session_id, batch)

            monkeypatch.setattr(SessionStore, "commit", refuses)
        else:
            session = next(
                each
                for each in system.opened.session.floor.sessions
                if isinstance(each, TradingSession) and each.settings.session_id == failing
            )

            def breaks(*_: Any) -> None:
                raise RuntimeError("a row is out of range")

            monkeypatch.setattr(session.exchange.markets["BTC/USDT"], "shown_anew", breaks)
            monkeypatch.setattr(session.exchange.markets["BTC/USDT"], "level_changed", breaks)
        await system.run()
        statuses = {each.session_id: each.status for each in await system._reader.list_sessions(include_ended=True)}
        assert statuses == dict.fromkeys(("a", "b", "c"), SessionStatus.PAUSED)
        fills = {name: (await system._reader.statistics(name)).fills for name in "abc"}
        assert fills.pop(failing) == 0 and len(set(fills.values())) == 1 and min(fills.values()) > 0
        assert failing not in system.running() and system.failed() == {failing: "a row is out of range"}
        query = "SELECT session_id, message FROM paper_alerts WHERE kind = 'session_failed'"
        [alert] = await system._database.rows("alerts", query)
        assert alert["session_id"] == failing and "how its orders stand is unknown" in alert["message"]
    assert told == [f"The session {failing} runs no more: a row is out of range. The others go on."]
    monkeypatch.undo()
    # It decides nothing by itself before somebody has looked.
    async with paper(database_url, tmp_path, "b", "a", "c") as system:
        paused = [name for name in system.running() if system.control(name).moment().paused]
        assert paused == [failing]


async def test_a_session_whose_failure_cannot_be_stored_runs_no_more_all_the_same(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("a fault in what is stored")

    async with paper(database_url, tmp_path, "a", "b", "c", duration="40s") as system:
        [_, second, _] = system.opened.session.floor.sessions
        assert isinstance(second, TradingSession)
        monkeypatch.setattr(SessionOpening, "build", breaks)
        for market in second.exchange.markets.values():
            monkeypatch.setattr(market, "shown_anew", breaks)
        await system.run()
        assert "b" not in system.running() and list(system.failed()) == ["b"] and "b" not in system._store.held
        statuses = {each.session_id: each.status for each in await system._reader.list_sessions()}
        assert statuses == dict.fromkeys(("a", "b", "c"), SessionStatus.PAUSED)
    assert "cannot be stored: a fault in what is stored" in caplog.text


async def test_what_is_of_the_market_or_the_process_goes_on_without_the_main_session(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = replace(options(), session="a", others=("b", "c", "d"))
    async with opened_system(database_url, tmp_path, wanted) as opened, running(opened):
        system, store = opened.system, opened.system._store
        breaking(system, monkeypatch, "a")
        await opened.until(lambda: "a" not in system.running())
        assert system.first.opened.record.session_id == "b"
        # Market time moves, and whoever joins or begins anew does so while it does.
        before = system._standstill._market_ns()
        await opened.until(lambda: system._standstill._market_ns() > before)
        system._on_set_back("the clock was set back")
        assert "the clock was set back" in system.control("b").view().alerts
        await system.join("new")
        assert (await opened.post("/sessions/b/paper/reset")).status_code == 201
        # One that cannot be built leaves no lock behind.
        with monkeypatch.context() as patch:
            patch.setattr(SessionOpening, "build", fault)
            with pytest.raises(RuntimeError):
                await system.join("unbuilt")
            told = await opened.post("/sessions/new/paper/reset")
        assert (told.status_code, told.json()["error_code"]) == (504, "outcome_unknown")
        assert "in its place, which does not run" in told.json()["error_message"]
        assert set(store.held) == set(system.running())
        # What goes wrong where a model's answer arrives is heard of.
        guest = system.guests.get("c")
        assert guest is not None
        monkeypatch.setattr(guest.member.session, "deliver", fault)
        guest.member._deliver("round", "model", ModelFailure(FailureKind.TIMEOUT, "late"))
        assert system.failed() == {"a": "a fault", "c": "a fault"} and "c" not in system.running()
        # A reset that is stored is done, although the run ends before its session runs.
        reset = SessionStore.reset

        async def stopping(*arguments: Any, **named: Any) -> Any:
            created = await reset(*arguments, **named)
            system.stop()
            return created

        monkeypatch.setattr(SessionStore, "reset", stopping)
        assert (await opened.post("/sessions/d/paper/reset")).status_code == 201


async def test_what_goes_wrong_at_the_end_of_one_ends_no_other(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paper(database_url, tmp_path, "a", "b", "c", duration="5s") as system:
        guest = system.guests.get("b")
        assert guest is not None
        monkeypatch.setattr(guest.member.session, "close_run", fault)
        await system.run()
        assert system.failed() == {"b": "a fault"}
        statuses = {each.session_id: each.status for each in await system._reader.list_sessions()}
        assert statuses == dict.fromkeys(("a", "b", "c"), SessionStatus.PAUSED)
        assert not system.opened.session.floor.sessions[1:]


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
