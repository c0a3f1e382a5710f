"""What the database refuses ends that one thing: the session goes on, and so does the one that is started after it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from tests.app.steered import Steered, opened_system, options, running

from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import OrderRecord

_PATIENCE_S = 60.0


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def forbid(database_url: str, check: str) -> None:
    """Orders that no check of the program finds anything wrong with, and the database does."""
    async with connected(database_url) as connection:
        await connection.execute(f"ALTER TABLE paper_orders ADD CONSTRAINT strict CHECK ({check})")


async def row(system: Steered, name: str) -> OrderRecord | None:
    return await system.reader.order(system.system.opened.record.session_id, client_order_id=name)


async def ended(system: Steered, name: str) -> OrderRecord:
    """Its row, once it is final."""
    async with asyncio.timeout(_PATIENCE_S):
        while (found := await row(system, name)) is None or not found.status.is_final:
            pass
    return found


def trade(name: str, quantity: str = "0.01", **more: str) -> dict[str, str]:
    return {"client_order_id": name, "symbol": "BTC/USDT", "side": "buy", "quantity": quantity, **more}


async def alerts(database_url: str) -> list[str]:
    async with connected(database_url) as connection:
        found = await connection.fetch("SELECT message FROM paper_alerts WHERE kind = 'order_taken_out'")
        return [each["message"] for each in found]


async def test_the_order_that_the_database_refuses_is_answered_so_and_the_others_are_placed(
    database_url: str, tmp_path: Path
) -> None:
    await forbid(database_url, "client_order_id <> 'wrong'")
    async with opened_system(database_url, tmp_path) as opened, running(opened) as system:
        asked = [system.post("/paper/trade", trade(name)) for name in ("first", "wrong", "last")]
        first, wrong, last = await asyncio.gather(*asked)
        assert (first.status_code, last.status_code) == (201, 201), (first.text, last.text)
        assert (wrong.status_code, wrong.json()["error_code"]) == (422, "commit_refused")
        assert 'violates check constraint "strict"' in wrong.json()["error_message"]
        assert await row(system, "wrong") is None
        later = await system.post("/paper/trade", trade("later"))
        assert later.status_code == 201 and system.session.halted == ""
        [session_id] = {system.system.opened.record.session_id}
    async with opened_system(database_url, tmp_path) as opened, running(opened) as system:
        assert system.system.opened.record.session_id == session_id
        assert {name: (await row(system, name)) is not None for name in ("first", "wrong", "last", "later")} == {
            "first": True,
            "wrong": False,
            "last": True,
            "later": True,
        }
        assert (await system.post("/paper/trade", trade("again"))).status_code == 201


async def test_an_order_whose_fill_the_database_refuses_is_taken_out(database_url: str, tmp_path: Path) -> None:
    await forbid(database_url, "client_order_id <> 'wrong' OR status <> 'filled'")
    async with opened_system(database_url, tmp_path) as opened, running(opened) as system:
        first, _ = await asyncio.gather(*(system.post("/paper/trade", trade(name)) for name in ("held", "wrong")))
        held, wrong = await ended(system, "held"), await ended(system, "wrong")
        assert (held.status, wrong.status) == (OrderStatus.FILLED, OrderStatus.ERROR)
        assert first.status_code == 201
        assert system.session.halted == ""
    [told] = await alerts(database_url)
    assert told.startswith("wrong was taken out") and 'violates check constraint "strict"' in told


async def make_stuck(database_url: str, name: str, quantity: str) -> None:
    """As a program left it that stored what was asked and traded what the lot lets through."""
    async with connected(database_url) as connection:
        changed = "UPDATE paper_orders SET quantity = $2::text::numeric WHERE client_order_id = $1 RETURNING status"
        assert await connection.fetchval(changed, name, quantity) == "open"
        parts = "SELECT part, key, state::text FROM paper_session_parts WHERE state::text LIKE '%\"' || $1 || '\"%'"
        for each in await connection.fetch(parts, name):
            state = json.loads(each["state"])
            ask_for(state, name, quantity)
            await connection.execute(
                "UPDATE paper_session_parts SET state = $3::text::jsonb WHERE part = $1 AND key = $2",
                each["part"],
                each["key"],
                json.dumps(state),
            )
        await connection.execute("SELECT paper_seal(session_id) FROM paper_sessions")


def ask_for(state: Any, name: str, quantity: str) -> None:
    """Every record of that order in a stored part."""
    if isinstance(state, dict):
        request = state.get("request")
        if isinstance(request, dict) and request.get("client_order_id") == name and "quantity" in state:
            state["quantity"] = quantity
    for value in state.values() if isinstance(state, dict) else state if isinstance(state, list) else ():
        ask_for(value, name, quantity)


async def test_a_stored_order_whose_fill_can_never_be_stored_is_taken_out_at_the_next_start(
    database_url: str, tmp_path: Path
) -> None:
    """0.0123456789 BTC was asked for, and the lot is 0.00000001: what fills is 0.01234567, which is less."""
    async with opened_system(database_url, tmp_path) as opened, running(opened) as system:
        quote = system.session.prices.quote("BTC/USDT")
        assert quote is not None and quote.bid is not None
        price = str(round(quote.bid * type(quote.bid)("0.9995"), 1))
        held = await system.post("/paper/trade", trade("held", stop=await system.stop_at("0.1")))
        placed = await system.post("/paper/trade", trade("stuck", "0.0123456789", price=price))
        assert (held.status_code, placed.status_code, placed.json()["status"]) == (201, 201, "open")
    await make_stuck(database_url, "stuck", "0.0123456789")
    for attempt in range(2):
        async with opened_system(database_url, tmp_path, options()) as opened, running(opened) as system:
            taken = await ended(system, "stuck")
            assert taken.status is OrderStatus.ERROR and taken.filled_quantity == 0
            assert system.session.halted == ""
            assert (await system.post("/paper/trade", trade(f"more-{attempt}"))).status_code == 201
    [told] = await alerts(database_url)
    assert told.startswith("stuck was taken out") and "filled_orders_are_filled" in told
