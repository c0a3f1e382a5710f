"""What the door lets in can be stored: orders from the edges of all that a client may write, a kill, and a start."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx
from tests.api.guarded_app import guarded_app

from triplegain.api.access import RequestLimits
from triplegain.api.keys import key_hash
from triplegain.app.opening import PaperOptions
from triplegain.app.paper_system import PaperSystem
from triplegain.config.tree import Config
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.errors import TripleGainError
from triplegain.storage.database import Database
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

#: Each field's smallest and largest, one beyond them, and what looks harmless; None: left out.
FIELDS: dict[str, list[Any]] = {
    "symbol": ["BTC/USDT", "xrp/usdt", "XRP/BTC", "DOGE/USDT", "A" * 16 + "/B"],
    "side": ["buy", "SELL"],
    "quantity": ["0.0123456789", "0.000000000000000001", "0.00000001", "20", "9" * 18, "9" * 19, "0.1" + "0" * 18],
    "order_type": [None, "market", "limit", "stop-loss"],
    "price": [None, "0.000000000000000001", "50000", "50000.1", "0.4", "9" * 18 + "." + "9" * 18],
    "stop": [None, None, "1", "0.000000000000000001", "9" * 18],
    "target": [None, None, "999999", "9" * 18],
    "expires": [None, None, "1s", "31d", "32d", "106752d", "9999999d", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
                "2200-12-31T23:59:59Z", "9999-12-31T23:59:59Z"],
    "post_only": [None, True],
    "leverage": [None, 1, 100],
    "client_order_id": [None, "x" * 64, "tg-1", "\x00", "x" * 65],
}  # fmt: skip
DONE_OR_NOT = {200, 201, 404, 409, 422, 429, 503}
RANDOM_ORDERS = 60


def orders() -> list[dict[str, Any]]:
    """Every value of a field beside an order that is good, then any mixture."""
    good = {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.001"}
    edges = [{**good, name: value} for name, values in FIELDS.items() for value in values]
    limits = [{**good, "quantity": q, "price": "50000"} for q in FIELDS["quantity"]]
    random = Random(7)
    mixed = [{name: random.choice(values) for name, values in FIELDS.items()} for _ in range(RANDOM_ORDERS)]
    return [{name: v for name, v in each.items() if v is not None} for each in itertools.chain(edges, limits, mixed)]


async def started(home: Path, database: Database, clock: ManualClock) -> tuple[PaperSystem, SessionStore]:
    store = SessionStore(database, clock)
    options = PaperOptions(feed="demo", speed="max", candle="1h", llm="none", duration="6h")
    system = PaperSystem(options, Config(), home, database, store, SessionReader(database), clock, {})
    await system.open()
    return system, store


async def has_prices(system: PaperSystem) -> None:
    for _ in range(50_000):
        if system.opened.session.prices.quote("BTC/USDT"):
            return
        await asyncio.sleep(0)
    raise AssertionError("no prices")


async def test_any_order_is_done_or_not_done_and_the_session_lives_and_starts_again(
    database_url: str, tmp_path: Path
) -> None:
    clock = ManualClock(1_767_225_600 * SECOND_NS)
    database = await Database.connect(database_url)
    security = SecurityLog(database, clock)
    await security.add_api_key(key_hash("key"), "admin", "admin")
    system, store = await started(tmp_path, database, clock)
    run = asyncio.create_task(system.run())
    await has_prices(system)
    limits = RequestLimits(trade=10**6)
    reader = SessionReader(database)
    app = await guarded_app(system, reader, security, limits, clock)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    headers = {"Authorization": "Bearer key"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
        for order in orders():
            answer = await client.post("/api/v1/paper/trade", json=order)
            assert answer.status_code in DONE_OR_NOT, (order, answer.text)
            assert system.opened.session.halted == "", (order, answer.text)
            assert answer.json().get("error_code") not in ("storage", "commit_refused", "stopped"), (order, answer.text)
    session_id = system.opened.record.session_id
    # Killed: nothing of what is in memory is stored any more.
    run.cancel()
    with suppress(asyncio.CancelledError, TripleGainError):
        await run
    await store.close()
    stored = await reader.orders(session_id, limit=1000)
    lot = Decimal("0.00000001")
    assert any(order.request.quantity == Decimal("0.0123456789") for order in stored)
    assert all(order.quantity % lot == 0 for order in stored if order.status.value in ("filled", "open"))
    again, store = await started(tmp_path, database, clock)
    assert again.opened.record.session_id == session_id
    run = asyncio.create_task(again.run())
    await has_prices(again)
    assert again.opened.session.halted == ""
    again.stop()
    await run
    await store.close()
    await database.close()
