"""Somebody edits what is stored between two runs: each edit is told, and no session starts on it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.app.paper_process import PaperHome

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder

pytestmark = pytest.mark.slow

_FIRST = "(SELECT min(sequence) FROM paper_ledger_entries WHERE account = 'market')"
PAIR = """
INSERT INTO paper_ledger_entries
SELECT session_id, sequence + 1000000, ledger_transaction + 1000000, time_ns, kind, account, asset, 0, order_number,
       fill_number, recorded_at, step
FROM paper_ledger_entries WHERE sequence <= 2
"""
SWAP = """
UPDATE paper_trades SET fill_number = 1000003 - fill_number WHERE fill_number IN (1, 2);
UPDATE paper_trades SET fill_number = fill_number - 1000000 WHERE fill_number > 1000000
"""
#: What is done, and what is told of it.
EDITS = {
    "an entry": (
        f"UPDATE paper_ledger_entries SET amount = amount + 5 WHERE sequence = {_FIRST}",
        "ledger transaction",
    ),
    "a fill deleted": ("DELETE FROM paper_trades WHERE fill_number = 1", "its fills come to 0"),
    "a balance": ("UPDATE paper_balances SET total = total + 1000000 WHERE asset = 'USDT'", "the balance of USDT is"),
    "a balanced pair": (PAIR, "paper_ledger_entries"),
    "two fills swapped": (SWAP, "paper_trades"),
    "the price of a fill": ("UPDATE paper_trades SET price = price / 2 WHERE fill_number = 1", "paper_trades"),
    "profit": ("UPDATE paper_positions SET realised = realised + 1000", "paper_positions: the row"),
    "the feed": (
        "UPDATE paper_session_state SET feed_position = 9000000000000000000",
        "feed_position 9000000000000000000",
    ),
    "the parts": ("DELETE FROM paper_session_parts", "paper_session_parts: 0 rows"),
    "settings": ("UPDATE paper_sessions SET settings = jsonb_set(settings, '{candle_ns}', '1')", "settings"),
    "the chain": ("DELETE FROM paper_steps WHERE step = 2", "paper_steps"),
}


def in_database(url: str, *statements: str) -> None:
    """By a person with the rights to do so, while no session runs."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        for each in statements:
            await connection.execute(each)
        await connection.close()

    asyncio.run(run())


def told_by(home: PaperHome, *words: str) -> Any:
    return json.loads(home.run(*words, "--json").stdout)


def traded(home: PaperHome) -> str:
    """A demo session with fills, stopped; its name."""
    summary = home.paper("--feed", "demo", "--duration", "3m")
    assert summary["fills"] >= 2
    return str(summary["session"])


def test_every_edit_is_told_and_no_session_starts_on_it_until_it_is_put_right(home: PaperHome, tmp_path: Path) -> None:
    session = traded(home)
    copy = tmp_path / "whole.dump"
    assert home.run("db", "backup", str(copy)).code == 0
    assert told_by(home, "db", "verify") == {"ok": True, "differences": []}
    books = next(each for each in told_by(home, "doctor")["checks"] if each["check"] == "books")
    assert books["verdict"] == "ok" and "all was last verified" in books["found"]

    untold = []
    with EmbeddedCluster(cluster_folder(home.path)) as url:
        in_database(url, "CREATE SCHEMA kept", *KEEP)
        for edit, (statement, words) in EDITS.items():
            in_database(url, "SET session_replication_role = replica", statement)
            told = told_by(home, "db", "verify")
            if told["ok"] or not any(words in each for each in told["differences"]):
                untold.append(f"{edit}: {told}")
            in_database(url, *PUT_RIGHT)
        in_database(url, "DROP SCHEMA kept CASCADE")
        assert untold == []
        assert told_by(home, "db", "verify")["ok"]
        in_database(url, EDITS["the feed"][0])
    refused = home.run("paper", "--session", session, "--speed", "max", "--duration", "1m")
    assert refused.code == 5 and "feed_position 9000000000000000000" in refused.stderr and "--reset" in refused.stderr
    other = PaperHome(tmp_path / "other")
    assert other.run("db", "restore", str(copy)).code == 0
    again = other.run("db", "restore", str(copy))
    assert again.code == 5 and "nothing was changed" in again.stderr
    assert other.run("db", "verify").code == 0
    assert other.paper("--session", session, "--duration", "1m")["session"] == session


TABLES = (
    "paper_ledger_entries", "paper_trades", "paper_balances", "paper_positions", "paper_session_state",
    "paper_session_parts", "paper_sessions", "paper_steps",
)  # fmt: skip
KEEP = [f"CREATE TABLE kept.{table} AS SELECT * FROM {table}" for table in TABLES]
PUT_RIGHT = [
    "SET session_replication_role = replica",
    *(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept.{table}" for table in TABLES),
]
