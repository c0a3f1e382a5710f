"""Do the stored books of all sessions agree? What a restart compares of one session, and what only rows can tell."""

from __future__ import annotations

from decimal import Decimal

from triplegain.domain.money import text
from triplegain.storage.database import Database

_ENTRIES = "SELECT session_id, account, asset, sum(amount) AS amount FROM paper_ledger_entries GROUP BY 1, 2, 3"
#: What each looks at in words, and a query for what differs: session, what, and the two figures.
_CHECKS = (
    (
        "the balance of {} is {}, its ledger entries come to {}",
        f"SELECT session_id, asset, b.total, e.amount FROM paper_balances b "
        f"FULL JOIN (SELECT * FROM ({_ENTRIES}) a WHERE account = 'wallet') e USING (session_id, asset) "
        "WHERE coalesce(b.total, 0) <> coalesce(e.amount, 0)",
    ),
    (
        "the session's state says of {} {}, its ledger entries come to {}",
        f"""SELECT p.session_id, p.key, (p.state #>> '{{}}')::numeric, e.amount FROM paper_session_parts p
        LEFT JOIN ({_ENTRIES}) e ON e.session_id = p.session_id AND e.account || ' ' || e.asset = p.key
        WHERE p.part = 'ledger.balance' AND (p.state #>> '{{}}')::numeric <> coalesce(e.amount, 0)""",
    ),
    (
        "ledger transaction {} comes to {}, not to {}",
        "SELECT session_id, ledger_transaction || ' of ' || asset, sum(amount), 0::numeric FROM paper_ledger_entries "
        "GROUP BY session_id, ledger_transaction, asset HAVING sum(amount) <> 0",
    ),
    (
        "order {} is filled with {}, its fills come to {}",
        """SELECT session_id, order_number::text, o.filled_quantity, f.quantity FROM paper_orders o FULL JOIN
        (SELECT session_id, order_number, sum(quantity) AS quantity FROM paper_trades GROUP BY 1, 2) f
        USING (session_id, order_number) WHERE coalesce(o.filled_quantity, 0) <> coalesce(f.quantity, 0)""",
    ),
    (
        "{} holds {}, its fills come to {}",
        """SELECT p.session_id, p.position_id, p.quantity, f.quantity FROM paper_positions p LEFT JOIN
        (SELECT t.session_id, o.position_id,
                sum(CASE t.side WHEN 'buy' THEN t.quantity ELSE -t.quantity END) AS quantity
         FROM paper_trades t JOIN paper_orders o USING (session_id, order_number) GROUP BY 1, 2) f
        USING (session_id, position_id) WHERE p.closed_at_ns IS NULL AND p.quantity <> coalesce(f.quantity, 0)""",
    ),
    (
        "of {} positions own {}, the wallet holds {}",
        """SELECT session_id, asset, p.quantity, b.total FROM paper_balances b RIGHT JOIN
        (SELECT session_id, split_part(symbol, '/', 1) AS asset, sum(quantity) AS quantity FROM paper_positions
         WHERE closed_at_ns IS NULL GROUP BY 1, 2) p USING (session_id, asset)
        WHERE p.quantity > coalesce(b.total, 0)""",
    ),
)
#: Of each kind; one is enough to look.
_TOLD_MAX = 5


async def differences(database: Database) -> list[str]:
    """What does not agree, with both figures, as of one moment; empty where all does."""
    told = []
    async with database.transaction("comparing the books", snapshot=True) as connection:
        for words, query in _CHECKS:
            for session, what, *figures in await connection.fetch(f"{query} LIMIT {_TOLD_MAX}"):
                shown = [text(each or Decimal(0)) for each in figures]
                told.append(f"{session}: {words.format(what, *shown)}")
    return told
