"""The answer to a request agrees with the rows, wherever on the way to the database the line is cut."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from tests.app.steered import opened_system
from tests.database_fixtures import END_WRITERS
from tests.examples import seeds
from tests.storage.wire import wired

from triplegain.domain.errors import TripleGainError
from triplegain.domain.orders import OrderStatus

ORDER = {"client_order_id": "mine", "symbol": "BTC/USDT", "side": "buy", "quantity": "0.01"}


async def stored_status(database_url: str) -> str | None:
    connection = await asyncpg.connect(database_url)
    try:
        found: str | None = await connection.fetchval("SELECT status FROM paper_orders WHERE client_order_id = 'mine'")
        return found
    finally:
        await connection.close()


@pytest.mark.parametrize("gone", [False, True], ids=["line", "server"])
@pytest.mark.parametrize("cut", ["request", "answer"])
@pytest.mark.parametrize("after", seeds(5, always=2))
async def test_what_is_told_of_an_order_agrees_with_its_row(
    database_url: str, tmp_path: Path, cut: str, after: int, gone: bool
) -> None:
    """What is said first asks for a stored order of the name; then come the steps, those of the market among them."""
    async with wired(database_url, tmp_path) as (wire, url), opened_system(url, tmp_path / "home") as system:
        run = asyncio.create_task(system.system.run())
        await system.until(lambda: system.session.prices.quote("BTC/USDT"))
        wire.cut, wire.after, wire.closes = cut, after, gone
        answer = await system.post("/paper/trade", ORDER)
        wire.cut, wire.closed = "", False
        system.system.stop()
        with suppress(TripleGainError):
            await run
    row, told = await stored_status(database_url), answer.json()
    match answer.status_code:
        case 201:
            assert row is not None and told["status"] in (row, OrderStatus.PENDING)
        case 503:
            assert row is None, answer.text
        case status:
            # The server never came back to say; while the line alone is cut somebody can always be asked.
            assert (status, told["error_code"], gone) == (504, "outcome_unknown", True), answer.text


async def test_an_order_survives_the_end_of_the_process_that_stores_it(database_url: str, tmp_path: Path) -> None:
    killer = await asyncpg.connect(database_url)
    async with opened_system(database_url, tmp_path) as system:
        run = asyncio.create_task(system.system.run())
        await system.until(lambda: system.session.prices.quote("BTC/USDT"))
        placing = asyncio.create_task(system.post("/paper/trade", ORDER))
        await killer.execute(END_WRITERS)
        answer = await placing
        system.system.stop()
        with suppress(TripleGainError):
            await run
    await killer.close()
    assert (answer.status_code, answer.json()["status"]) == (201, await stored_status(database_url)), answer.text
