"""Sessions that earlier programs left are taken up with everything they had, and go on."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.app.paper_process import PaperHome
from tests.app.stored_record import ask, check_record
from tests.database_fixtures import other_database, run_apart
from tests.forms.as_it_was import check_as_it_was
from tests.forms.stored_forms import CORPORA, Home, decoded, document, load, name_of, stored

from triplegain.domain.agent_records import AlertKind
from triplegain.domain.orders import OrderStatus
from triplegain.domain.parts import FORM
from triplegain.gateway.local_kraken import LocalKraken
from triplegain.gateway.pacing import ServingSettings
from triplegain.session.runner import Ending
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.forms.form2_orders import request
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.stored_books import verify

_L2 = "binance_spot_l2_trades_btcusdt_2024-08"
#: What is written once and never changed, as text.
_WRITTEN = ("paper_trades", "paper_order_events", "paper_ledger_entries", "paper_decisions", "paper_hodl")
_LIVE_STATUSES = [status for status in OrderStatus if not status.is_final]
#: For how long of its market a session goes on: a replay of candles sees one in 900.
_SECONDS = {"replay": 7200, "live": 4}
#: Of form 2 these are tried each time: orders under way, a position and its protection, and what a replay has left.
_ALWAYS = ("form2", {"in-flight", "protected", "replay", "traded"})
#: Every stored session, with its folder.
SESSIONS = [
    pytest.param(corpus, name, marks=[pytest.mark.slow] if corpus == _ALWAYS[0] and name not in _ALWAYS[1] else [])
    for corpus in CORPORA
    for name in map(name_of, stored(corpus))
]


@dataclass
class Corpus:
    """The sessions of a folder in a database of today."""

    database: Database
    home: Home
    reader: SessionReader
    url: str


@pytest.fixture(scope="module")
def url_of(
    database_server: str, captures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """The URL of a database in which every session of a folder was left, brought up to date."""
    made: dict[str, str] = {}

    def url_of(corpus: str) -> str:
        if corpus not in made:
            name = f"{corpus}_{os.getpid()}"
            ask(database_server, f"CREATE DATABASE {name}")
            made[corpus] = other_database(database_server, name)
            run_apart(load(made[corpus], corpus, captures, tmp_path_factory.mktemp("migrations")))
        return made[corpus]

    yield url_of
    for corpus in made:
        ask(database_server, f"DROP DATABASE {corpus}_{os.getpid()} WITH (FORCE)")


@pytest.fixture
async def left(
    corpus: str, session: str, url_of: Callable[[str], str], tmp_path: Path, captures: Path
) -> AsyncIterator[Corpus]:
    """For the live session there is a local Kraken that serves the recording it was left on."""
    url, environ = url_of(corpus), dict[str, str]()
    async with AsyncExitStack() as stack:
        if session == "live":
            server = await stack.enter_async_context(LocalKraken(captures / _L2, ServingSettings(speed=20)))
            environ = {
                "TRIPLEGAIN_KRAKEN_REST_URL": server.rest_url,
                "TRIPLEGAIN_KRAKEN_WS_URL": server.websocket_url,
            }
        database = await Database.connect(url)
        yield Corpus(database, Home(database, tmp_path, environ), SessionReader(database), url)
        await database.close()


def orders_of(session: TradingSession) -> Mapping[int, Any]:
    return {order.order_number: order for order in session.executor.orders.open_orders()}


def check_told_later(here: TradingSession) -> None:
    """Each answer on its way is waited for by the order it is about, and none else."""
    parts = decoded(here.parts.whole())
    answers = Counter(
        str(each["order_number"])
        for (part, _), each in parts.items()
        if part == "session.event" and each["kind"] != "refused"
    )
    waited = {key: each["pending"] for (part, key), each in parts.items() if part == "execution.told_order"}
    assert waited == answers


@pytest.mark.parametrize(("corpus", "session"), SESSIONS)
async def test_a_session_goes_on_with_every_order_position_and_balance_it_had(
    left: Corpus, corpus: str, session: str
) -> None:
    form, _ = CORPORA[corpus]
    reader = left.reader
    orders = await reader.orders(session, status=_LIVE_STATUSES)
    positions = await reader.positions(session, closed=False)
    balances = await reader.balances(session)
    before_ns = (await reader.session(session)).market_time_ns
    written, bought = await all_written(left, session), await purchases(left, session)
    async with left.home.opened(session) as found:
        here = found.session
        # Who holds what, as the rows say it.
        assert orders_of(here) == {order.order_number: order for order in orders}
        assert here.executor.positions.records() == tuple(positions)
        assert list(here.portfolio.balances()) == balances
        if form == 2:
            check_as_it_was(here, document(session))
        if session != "live":
            # What is stored of it, converted or not, is what the session itself would have stored.
            assert decoded(here.parts.whole()) == decoded(await parts_of(left.database, session))
            check_told_later(here)
        assert await left.home.run(found, _SECONDS.get(session, 60)) is Ending.DURATION
        check_told_later(here)
    told = [each.time_ns for each in await reader.alerts(session) if each.kind is AlertKind.SESSION_CONVERTED]
    assert told == ([] if form == FORM else [before_ns])
    # Nothing that was written has changed, and what was open is still the session's.
    assert written <= await all_written(left, session)
    found_orders = {order.order_number: order for order in await reader.orders(session)}
    assert all(found_orders[order.order_number].request == order.request for order in orders)
    assert {each.position_id for each in positions} <= {each.position_id for each in await reader.positions(session)}
    # Balances are the sums of their entries, holds those of open orders, fills what orders say is filled.
    await asyncio.to_thread(check_record, left.url, session)
    assert (await reader.session(session)).market_time_ns > before_ns
    if session in ("paused", "halted"):
        assert await purchases(left, session) == bought
    if session == "in-flight":
        last = {order.request.client_order_id: order.status for order in found_orders.values()}
        assert (last["sent-1"], last["rest-1"], last["rest-2"]) == ("filled", "cancelled", "open")
    if session == "exit-under-way":
        assert not await reader.positions(session, closed=False)


@pytest.mark.slow
def test_the_command_goes_on_with_a_stored_session(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    run_apart(load(empty_database_url, "form2", Path("nowhere"), tmp_path / "migrations", only="protected"))
    home = PaperHome(tmp_path / "home", {"TRIPLEGAIN_DATABASE_URL": empty_database_url})
    summary = home.run("paper", "--session", "protected", "--duration", "2m", "--speed", "max", "--json").answer
    assert (summary["session"], bool(summary["halted"])) == ("protected", False)
    check_record(empty_database_url, "protected")


async def test_a_stored_order_tells_who_wanted_it(empty_database_url: str, tmp_path: Path) -> None:
    """By its row and by its part alike; an exit that a person asked for is the desk's."""

    def by_hand(tables: str) -> str:
        return tables.replace('"purpose":"signal"', '"purpose":"manual"')

    await load(empty_database_url, "form2", Path("nowhere"), tmp_path, only="traded", changed=by_hand)
    rows = ask(empty_database_url, "SELECT client_order_id, purpose, side, position_id, origin FROM paper_orders")
    origins = {row["client_order_id"].partition("-")[0]: row["origin"] for row in rows}
    assert origins == {"entry": "agent", "stop": "protection", "exit": "protection"}
    assert {row["purpose"] for row in rows if row["client_order_id"].startswith("exit")} == {"manual"}
    assert all(request({**row, "expires_at_ns": None})["origin"] == row["origin"] for row in rows)


async def parts_of(database: Database, session: str) -> dict[tuple[str, str], bytes]:
    query = "SELECT part, key, state::text FROM paper_session_parts WHERE session_id = $1"
    return {(row["part"], row["key"]): row["state"].encode() for row in await database.rows("looking", query, session)}


async def all_written(left: Corpus, session: str) -> set[str]:
    found = [
        await left.database.rows("looking", f"SELECT t::text FROM {table} t WHERE session_id = $1", session)
        for table in _WRITTEN
    ]
    return {str(row[0]) for table in found for row in table}


async def purchases(left: Corpus, session: str) -> int:
    return sum(order.request.side == "buy" for order in await left.reader.orders(session))


@pytest.mark.parametrize("corpus", CORPORA)
async def test_the_books_of_stored_sessions_agree(url_of: Callable[[str], str], corpus: str) -> None:
    database = await Database.connect(url_of(corpus))
    found = await verify(database, lambda what, done, of: None)
    await database.close()
    assert found == []
