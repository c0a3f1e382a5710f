"""A home that an earlier program left with more coins in positions than in the wallet: looked at, closed, and sound."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from tests.app.steered import opened_system, options, running

from triplegain.domain.errors import TripleGainError

ORDER = {"client_order_id": "mine", "symbol": "BTC/USDT", "side": "buy", "quantity": "0.01"}
#: A sale of 0.006 of 0.01 BTC that took coins of the position: the wallet, its ledger and the state know of it, in
#: however many fills the coins had come.
SOLD = """
UPDATE paper_session_parts SET state = '"0.004"' WHERE part = 'ledger.balance' AND key = 'wallet BTC';
UPDATE paper_balances SET total = 0.004 WHERE asset = 'BTC';
UPDATE paper_ledger_entries SET amount = amount * 0.4 WHERE asset = 'BTC' AND kind = 'trade';
SELECT paper_seal(session_id) FROM paper_sessions;
"""


async def test_such_a_session_opens_halted_over_http_and_is_closed(database_url: str, tmp_path: Path) -> None:
    async with opened_system(database_url, tmp_path) as opened, running(opened) as system:
        assert (await system.post("/paper/trade", ORDER)).status_code == 201
        await system.until(lambda: system.session.executor.positions.owned("BTC") == Decimal("0.01"))
        name = system.system.opened.record.session_id
    connection = await asyncpg.connect(database_url)
    await connection.execute(SOLD)
    await connection.close()
    async with opened_system(database_url, tmp_path) as opened:
        assert opened.system.opened.record.session_id == name
        async with running(opened) as system:
            ready = await system.admin.get("/health/ready")
            assert ready.status_code == 503 and "positions own 0.01 BTC, the wallet holds 0.004" in ready.text
            refused = await system.post("/paper/trade", {**ORDER, "client_order_id": "more"})
            assert (refused.status_code, refused.json()["error_code"]) == (503, "halted")
            closing = await system.post("/paper/positions/pos-1/close")
            assert closing.status_code == 202, closing.text
            await system.until(lambda: not system.session.positions_left())
    async with opened_system(database_url, tmp_path) as opened:
        assert (opened.session.halted, opened.session.portfolio.total("BTC")) == ("", Decimal(0))


async def test_changed_money_is_named_at_the_start_with_what_to_do_and_a_reset_helps(
    database_url: str, tmp_path: Path
) -> None:
    async with opened_system(database_url, tmp_path) as opened, running(opened) as system:
        assert (await system.post("/paper/trade", ORDER)).status_code == 201
        name = system.system.opened.record.session_id
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE paper_balances SET total = total + 5 WHERE asset = 'USDT'")
    await connection.close()
    with pytest.raises(TripleGainError, match=f"the session {name} is damaged .*`tg db verify`.*--reset"):
        async with opened_system(database_url, tmp_path):
            pass
    async with (
        opened_system(database_url, tmp_path, replace(options(), reset=True)) as opened,
        running(opened) as system,
    ):
        assert system.system.opened.record.session_id != name and system.session.halted == ""
