"""What must be true of a stored session at every moment, asked of the database in its own language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import asyncpg
from tests.app.paper_process import PaperHome
from tests.database_fixtures import run_apart

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.home_database import cluster_folder
from triplegain.storage.postmaster import DATABASE, USER, ServerState, read_postmaster, server_state

#: No more than this is held for fees: 1 % is above every rate of Kraken.
_FEE_MAX = Decimal("0.01")

#: Each query finds what must not be: a row is a breach. $1 is the session.
BREACHES = {
    "order events are numbered without a gap": """
        SELECT count(*), max(sequence), min(s.event_sequence) FROM paper_order_events e
        RIGHT JOIN paper_session_state s USING (session_id) WHERE s.session_id = $1
        HAVING count(e.sequence) <> min(s.event_sequence) OR coalesce(max(sequence), 0) <> min(s.event_sequence)""",
    "fills are numbered without a gap": """
        SELECT count(*), max(t.fill_number), min(s.fill_number) FROM paper_trades t
        RIGHT JOIN paper_session_state s USING (session_id) WHERE s.session_id = $1
        HAVING count(t.fill_number) <> min(s.fill_number)
            OR coalesce(max(t.fill_number), 0) <> min(s.fill_number)""",
    "ledger entries and transactions are numbered without a gap": """
        SELECT count(*), max(sequence), count(DISTINCT e.ledger_transaction) FROM paper_ledger_entries e
        RIGHT JOIN paper_session_state s USING (session_id) WHERE s.session_id = $1
        HAVING count(e.sequence) <> min(s.entry_sequence) OR coalesce(max(sequence), 0) <> min(s.entry_sequence)
            OR count(DISTINCT e.ledger_transaction) <> min(s.ledger_transaction)""",
    "decisions are numbered without a gap": """
        SELECT count(*), max(number), min(s.decision_number) FROM paper_decisions d
        RIGHT JOIN paper_session_state s USING (session_id) WHERE s.session_id = $1
        HAVING count(d.number) <> min(s.decision_number) OR coalesce(max(number), 0) <> min(s.decision_number)""",
    "orders are numbered without a gap, each submitted once": """
        SELECT o.n, o.high, e.n FROM
            (SELECT count(*) AS n, coalesce(max(order_number), 0) AS high FROM paper_orders WHERE session_id = $1) o,
            (SELECT count(*) AS n FROM paper_order_events
             WHERE session_id = $1 AND kind = 'submitted') e
        WHERE o.n <> o.high OR o.n <> e.n""",
    "every transaction balances in every asset": """
        SELECT ledger_transaction, asset, sum(amount) FROM paper_ledger_entries WHERE session_id = $1
        GROUP BY ledger_transaction, asset HAVING sum(amount) <> 0""",
    "a balance is the sum of its wallet entries": """
        SELECT asset, b.total, e.total FROM (SELECT * FROM paper_balances WHERE session_id = $1) b
        FULL JOIN (SELECT asset, sum(amount) AS total FROM paper_ledger_entries
                   WHERE session_id = $1 AND account = 'wallet' GROUP BY asset) e USING (asset)
        WHERE coalesce(b.total, 0) <> coalesce(e.total, 0)""",
    "what an order says is filled is the sum of its fills": """
        SELECT o.order_number, o.filled_quantity, f.quantity FROM paper_orders o
        LEFT JOIN (SELECT order_number, sum(quantity) AS quantity, sum(notional) AS notional, sum(fee) AS fee,
                          max(cumulative_quantity) AS cumulative
                   FROM paper_trades WHERE session_id = $1 GROUP BY order_number) f USING (order_number)
        WHERE o.session_id = $1
          AND (o.filled_quantity <> coalesce(f.quantity, 0) OR o.filled_quantity <> coalesce(f.cumulative, 0)
               OR o.filled_notional <> coalesce(f.notional, 0) OR o.fees <> coalesce(f.fee, 0))""",
    "no fill stands there twice": """
        SELECT fill_id, count(*) FROM paper_trades WHERE session_id = $1 GROUP BY fill_id HAVING count(*) > 1
        UNION ALL SELECT sequence::text, count(*) FROM paper_trades WHERE session_id = $1
        GROUP BY sequence HAVING count(*) > 1""",
    "no limit order paid more or got less than its limit": """
        SELECT t.fill_number, t.price, o.price FROM paper_trades t JOIN paper_orders o USING (session_id, order_number)
        WHERE session_id = $1 AND o.order_type = 'limit'
          AND CASE o.side WHEN 'buy' THEN t.price > o.price ELSE t.price < o.price END""",
    "each fill moved its coins, its money and its fee through the wallet or the hodl bag": """
        SELECT t.fill_number, m.base, m.quote FROM paper_trades t
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(amount) FILTER (WHERE asset = split_part(t.symbol, '/', 1)), 0) AS base,
                   coalesce(sum(amount) FILTER (WHERE asset = split_part(t.symbol, '/', 2)), 0) AS quote
            FROM paper_ledger_entries e
            WHERE e.session_id = $1 AND e.fill_number = t.fill_number AND account IN ('wallet', 'hodl')) m ON true
        WHERE t.session_id = $1 AND NOT t.explanation ? 'margin'
          AND (m.base <> CASE t.side WHEN 'buy' THEN t.quantity ELSE -t.quantity END
               OR m.quote <> CASE t.side WHEN 'buy' THEN -t.notional ELSE t.notional END - t.fee)""",
    "a fill on margin moved no coins, and of money its fees, what was gained, and what was lacking": """
        SELECT t.fill_number, m.* FROM paper_trades t
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(amount) FILTER (WHERE asset = split_part(t.symbol, '/', 1)), 0) AS base,
                   coalesce(sum(amount) FILTER (WHERE asset = split_part(t.symbol, '/', 2)), 0) AS quote
            FROM paper_ledger_entries e
            WHERE e.session_id = $1 AND e.fill_number = t.fill_number AND account = 'wallet') m ON true
        WHERE t.session_id = $1 AND t.explanation ? 'margin' AND t.explanation ->> 'model' <> 'settlement'
          AND (m.base <> 0 OR m.quote <> (t.explanation -> 'margin' ->> 'gain')::numeric - t.fee
               - (t.explanation -> 'margin' ->> 'opening_fee')::numeric
               + (t.explanation -> 'margin' ->> 'owed')::numeric)""",
    "nothing is below zero, and no more held than there is": """
        SELECT asset, total, held FROM paper_balances
        WHERE session_id = $1 AND (total < 0 OR held < 0 OR held > total)""",
}

_OPEN = """
SELECT symbol, side::text, order_type, status::text, price, quantity - filled_quantity AS rest, leverage
FROM paper_orders WHERE session_id = $1 AND NOT is_final(status)
"""


@contextmanager
def database_of(home: PaperHome) -> Iterator[str]:
    """The URL of a home's own server. One that runs is left running, for the next start to find; else it is started."""
    cluster = cluster_folder(home.path) / "data"
    found = read_postmaster(cluster)
    if found is not None and server_state(cluster) is ServerState.SERVING:
        yield f"postgresql://{USER}@/{DATABASE}?host={quote(str(found.socket_folder))}"
    else:
        with EmbeddedCluster(cluster_folder(home.path)) as url:
            yield url


def ask(url: str, query: str, *values: Any) -> list[asyncpg.Record]:
    async def fetch() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    return run_apart(fetch())


def check_record(url: str, session: str) -> None:
    """Every invariant of the stored record, as of one moment."""

    async def look() -> None:
        connection = await asyncpg.connect(url)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                for rule, breaches in BREACHES.items():
                    found = await connection.fetch(breaches, session)
                    assert not found, f"{session}: not true that {rule}: {found[:3]}"
                held = {
                    row["asset"]: row["held"]
                    for row in await connection.fetch(
                        "SELECT asset, held FROM paper_balances WHERE session_id = $1", session
                    )
                }
                check_held(held, await connection.fetch(_OPEN, session))
        finally:
            await connection.close()

    run_apart(look())


def check_held(held: dict[str, Decimal], open_orders: list[asyncpg.Record]) -> None:
    """Held is what the accepted orders need: a sell its coins, a buy its price and at most 1 % for the fee.

    What is still on its way (pending) may hold already or not yet: its acceptance counts once it is visible.
    """
    least: dict[str, Decimal] = dict.fromkeys(held, Decimal(0))
    most = dict(least)
    unbounded: set[str] = set()
    for order in open_orders:
        base, quote = order["symbol"].split("/")
        if order["leverage"] > 1:
            # What is lent need not be there, its fees need.
            unbounded.add(quote)
            continue
        asset, need = (base, order["rest"]) if order["side"] == "sell" else (quote, None)
        if order["side"] == "buy" and order["price"] is not None:
            need = order["rest"] * order["price"]
        if need is None:
            unbounded.add(asset)
            continue
        if order["status"] != "pending":
            least[asset] = least.get(asset, Decimal(0)) + need
        most[asset] = most.get(asset, Decimal(0)) + need * (1 + (_FEE_MAX if order["side"] == "buy" else 0))
    for asset, amount in held.items():
        assert amount >= least[asset], f"{amount} {asset} held, the open orders need {least[asset]}"
        assert asset in unbounded or amount <= most[asset], f"{amount} {asset} held for needs of {most[asset]} at most"
