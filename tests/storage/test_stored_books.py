"""A figure that somebody has changed in the database is told, by `db verify` and `doctor` and at the next start."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

import pytest
from tests.session.sessions import demo, settings_for
from tests.storage.scripted_session import session_record

from triplegain.domain.orders import Limit, Market, OrderRequest, Side
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.errors import BooksDifferError
from triplegain.storage.session_store import SessionStore
from triplegain.storage.stored_books import verify


async def traded(store: SessionStore) -> TradingSession:
    """A round trip, a position with a stop, and an order that rests."""
    feed = demo(seconds=30)
    session = TradingSession(settings_for(feed, baseline=None))
    await store.create(session_record("test"))
    events = feed.events()
    for name, terms in (("gone", Market()), ("held", Market()), ("rests", Limit(Decimal(20_000)))):
        for event in islice(events, 200):
            session.on_event(event)
        request = OrderRequest(name, "BTC/USDT", Side.BUY, Decimal("0.01"), terms)
        session.by_hand.place(request, stop=Decimal(10_000))
        if name == "held":
            session.by_hand.close_position("pos-1")
    for event in islice(events, 400):
        session.on_event(event)
    await store.commit("test", session.take_batch(1000, 1))
    return session


_FIRST = "(SELECT min(sequence) FROM paper_ledger_entries WHERE asset = 'USDT' AND account = "
#: What is changed, and what is told of it.
TAMPERED = [
    ("UPDATE paper_balances SET total = total + 1000000 WHERE asset = 'USDT'", "the balance of USDT is"),
    (
        f"UPDATE paper_ledger_entries SET amount = amount + 5 WHERE sequence = {_FIRST}'wallet')",
        "the balance of USDT is",
    ),
    (
        f"UPDATE paper_ledger_entries SET amount = amount + 5 WHERE sequence = {_FIRST}'market')",
        "ledger transaction 2 of USDT comes to 5, not to 0",
    ),
    ("DELETE FROM paper_trades WHERE fill_number = 1", "order 1 is filled with 0.01, its fills come to 0"),
    ("UPDATE paper_orders SET filled_quantity = 0.004, status = 'cancelled' WHERE order_number = 1", "order 1"),
    ("UPDATE paper_positions SET quantity = 0.5 WHERE closed_at_ns IS NULL", "pos-2 holds 0.5"),
    ("UPDATE paper_positions SET quantity = 0.5 WHERE closed_at_ns IS NULL", "of BTC positions own 0.5"),
    (
        "UPDATE paper_session_parts SET state = '\"777\"' WHERE part = 'ledger.balance' AND key = 'wallet USDT'",
        "the session's state says of wallet USDT 777",
    ),
]


@pytest.mark.parametrize(("change", "words"), TAMPERED)
async def test_what_was_changed_is_told_with_both_figures(
    store: SessionStore, database: Database, change: str, words: str
) -> None:
    session = await traded(store)
    assert await verify(database, lambda what, done, of: None) == []
    await store.release("test")
    stored = await store.resume("test")
    TradingSession(session.settings).restore(stored.parts, stored.rows)
    await store.release("test")
    async with database.transaction("tampering") as connection:
        await connection.execute(change)
    told = await verify(database, lambda what, done, of: None)
    assert any(each.startswith(f"test: {words}") for each in told), told
    with pytest.raises(BooksDifferError, match=r"the session test is damaged .* put it right"):
        await store.resume("test")
