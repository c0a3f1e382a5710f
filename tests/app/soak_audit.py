"""Trades and books of a soaked session against the local Kraken, which stands still; answers against the rows."""

from __future__ import annotations

import asyncio
import signal
import time
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg
import httpx
from tests.app.database_kills import check
from tests.app.paper_process import PaperHome
from tests.app.soak_figures import Figures, Size, Soak
from tests.app.soak_traders import WARES
from tests.app.stored_record import ask, database_of
from tests.attack.local_market import LocalMarket
from tests.database_fixtures import run_apart

from triplegain.app.housekeeping import Housekeeping
from triplegain.config.tree import Config
from triplegain.domain.clock import DAY_NS, ManualClock, SystemClock
from triplegain.storage.database import Database
from triplegain.venues.kraken.wire.frames import BOOK_START, read_book_frame
from triplegain.venues.kraken.wire.rest import read_reply, read_trade_page

_PATIENCE_S = 60.0
#: How long after a blow to the database, or after a time in which it hung, trades may be declared as missed.
_EXPLAINS_S = 15.0
_SIZES = """
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes FROM pg_class c
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""

#: Quantities by price, bids and asks.
_Levels = list[dict[Decimal, Decimal]]


def audit_feed(kraken: LocalMarket, figures: Figures, outcome: Soak, depth: int) -> None:
    """Every trade once, and the books as a new client gets them."""
    httpx.post(f"{kraken.url}/control/pause", json={}).raise_for_status()
    newest = {each.symbol: _newest_trade(kraken, each.symbol) for each in WARES}
    theirs = {each.symbol: asyncio.run(_book(kraken, each.symbol, depth)) for each in WARES}
    deadline_s = time.monotonic() + _PATIENCE_S
    while True:
        now = _asked(figures)
        wrong = _differences(now, newest, theirs)
        if not wrong or time.monotonic() > deadline_s:
            break
        time.sleep(0.5)
    outcome.wrong += wrong
    tapes = now["tapes"].values()
    outcome.trades = sum(tape["count"] for tape in tapes)
    outcome.declared = sum(tape["declared"] for tape in tapes)
    outcome.wrong += [f"trades declared as missed at {at}: no blow" for at in _unexplained(outcome, now["missed_at"])]
    outcome.counters = {name: count for name, count in now["counters"].items() if count}


def _asked(figures: Figures) -> dict[str, Any]:
    """The process's figures of now, books included."""
    figures.new()
    figures.running.process.send_signal(signal.SIGUSR1)
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        for now in figures.new():
            if "books" in now:
                return now
        time.sleep(0.05)
    raise AssertionError(f"the session says nothing of itself any more: {figures.running.complained[-3000:]}")


def _differences(now: dict[str, Any], newest: dict[str, int], theirs: dict[str, _Levels]) -> list[str]:
    wrong = []
    for symbol, number in newest.items():
        tape = now["tapes"][symbol]
        if tape["last"] != number:
            wrong.append(f"{symbol}: the last trade told is {tape['last']}, Kraken's is {number}")
        if tape["missing"] or tape["doubled"]:
            wrong.append(f"{symbol}: {tape['missing']} trades missing, {tape['doubled']} told twice")
        ours = [
            {Decimal(price): Decimal(quantity) for price, quantity in side.items()} for side in now["books"][symbol]
        ]
        if ours != theirs[symbol]:
            wrong.append(f"{symbol}: the book is not the exchange's")
    return wrong


def _newest_trade(kraken: LocalMarket, symbol: str) -> int:
    answer = httpx.get(f"{kraken.url}/0/public/Trades", params={"pair": symbol, "count": 1})
    return int(read_trade_page(read_reply(answer.content).result).rows[-1].trade_id)


async def _book(kraken: LocalMarket, symbol: str, depth: int) -> _Levels:
    """A new client's snapshot."""
    params: dict[str, Any] = {"channel": "book", "symbol": [symbol], "depth": depth}
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(kraken.environ["TRIPLEGAIN_KRAKEN_WS_URL"]) as socket,
    ):
        await socket.send_json({"method": "subscribe", "params": params})
        frame = b""
        while not frame.startswith(BOOK_START):
            frame = (await socket.receive_str()).encode()
    (book,) = read_book_frame(frame).data
    return [{Decimal(one.price): Decimal(one.qty) for one in side} for side in (book.bids, book.asks)]


def _unexplained(outcome: Soak, missed_at: list[float]) -> list[float]:
    """Moments at which trades were declared as missed that no blow to the database explains."""
    return [at for at in missed_at if not any(0 <= at - blow <= _EXPLAINS_S for blow in outcome.blows)]


def table_sizes(home: PaperHome) -> dict[str, Size]:
    """Bytes with indices and rows of every table."""
    with database_of(home) as url:
        return {
            row["name"]: Size(row["bytes"], ask(url, f'SELECT count(*) FROM "{row["name"]}"')[0][0])
            for row in ask(url, _SIZES)
        }


def audit_rows(home: PaperHome, session: str, outcome: Soak) -> None:
    """Answers and rows, `db verify`, and what a round of housekeeping leaves."""
    outcome.sizes.append(table_sizes(home))
    try:
        alerts = check(home, outcome.toll, session)
        outcome.told_away = sum(told.count(" to ") for told in alerts)
    except AssertionError as error:
        outcome.wrong.append(f"answers and rows: {error}")
    verified = home.run("db", "verify", "--json", timeout_s=600)
    if verified.code:
        outcome.wrong.append(f"db verify: {verified.stdout[-3000:]} {verified.stderr[-1000:]}")
    with database_of(home) as url:
        outcome.cleaned = run_apart(_housekeeping(url))
    outcome.sizes.append(table_sizes(home))
    with database_of(home) as url:
        run_apart(_packed(url))
    outcome.sizes.append(table_sizes(home))


async def _housekeeping(url: str) -> dict[str, int]:
    """A round of the product's own, as it is when all of the session is older than what is kept in full."""
    settings = Config()
    later = SystemClock().now_ns() + (settings.database.snapshot_retention_days + 1) * DAY_NS
    database = await Database.connect(url)
    try:
        trade_days = settings.history.trade_retention_days
        return dict(await Housekeeping(database, settings.database, trade_days, ManualClock(later)).clean())
    finally:
        await database.close()


async def _packed(url: str) -> None:
    """Without the room that changed and removed rows leave, which is used again."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM FULL")
    finally:
        await connection.close()
