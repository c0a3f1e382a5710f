"""A session with positions on margin, from the session to the rows and back."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import islice
from typing import Any

from tests.session.sessions import demo, settings_for
from tests.session.stored_parts import Rows, all_said
from tests.storage.scripted_session import session_record

from triplegain.domain.ledger_entry import EntryKind, LedgerAccount
from triplegain.domain.orders import Market, OrderOptions, OrderRequest, Side, StopLoss
from triplegain.domain.refusals import Refusal
from triplegain.domain.terms import SettlePosition
from triplegain.exchange.margin.settings import MarginSettings
from triplegain.exchange.settings import ExchangeSettings
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_report import read_report
from triplegain.storage.session_store import SessionStore
from triplegain.storage.stored_books import verify

SETTINGS = ExchangeSettings(margin=MarginSettings(rollover_ns=10**9))


def unordered(rows: Rows) -> dict[tuple[str, str], Any]:
    """A database may put the keys of a value in another order."""
    return {name: json.loads(state) for name, state in rows.items()}


async def lent(store: SessionStore) -> TradingSession:
    """A long, half of it closed and a part settled, with a stop that only reduces; rolled over each second."""
    feed = demo(seconds=60)
    session = TradingSession(settings_for(feed, baseline=None, exchange=SETTINGS))
    await store.create(session_record("test"))
    events = feed.events()
    only = OrderOptions(reduce_only=True)
    requests = (
        OrderRequest("long", "BTC/USDT", Side.BUY, Decimal("0.4"), Market(), leverage=5),
        OrderRequest("half", "BTC/USDT", Side.SELL, Decimal("0.2"), Market(), leverage=2),
        OrderRequest("settled", "BTC/USDT", Side.SELL, Decimal("0.05"), SettlePosition(), leverage=2),
        OrderRequest("stop", "BTC/USDT", Side.SELL, Decimal("0.15"), StopLoss(Decimal(9000)), leverage=2, options=only),
    )
    for request in requests:
        for event in islice(events, 300):
            session.on_event(event)
        assert not isinstance(session.by_hand.place(request), Refusal)
    for event in islice(events, 400):
        session.on_event(event)
    await store.commit("test", session.take_batch(1600, 1))
    return session


async def test_positions_and_what_they_cost_are_in_the_books_and_taken_up_again(
    store: SessionStore, database: Database, reader: SessionReader
) -> None:
    session = await lent(store)
    assert [each.quantity for each in session.exchange.margin.positions.values()] == [Decimal("0.15")]
    assert await verify(database, lambda what, done, of: None) == []
    kinds = {row["kind"] for row in await database.rows("looking", "SELECT kind::text FROM paper_ledger_entries")}
    assert kinds >= {EntryKind.MARGIN, EntryKind.OPENING_FEE, EntryKind.ROLLOVER, EntryKind.SETTLED, EntryKind.FEE}
    settled = await reader.order("test", client_order_id="settled")
    assert settled is not None
    assert settled.filled_quantity == Decimal("0.05")
    await store.release("test")
    stored = await store.resume("test")
    again = TradingSession(session.settings)
    again.restore(stored.parts, stored.rows)
    assert unordered(all_said(again.parts)) == unordered(all_said(session.parts))


async def test_what_is_owed_is_in_the_rows(store: SessionStore, database: Database) -> None:
    session = await lent(store)
    session.wallet.book_margin(session.now_ns, "USDT", [(EntryKind.ROLLOVER, LedgerAccount.FEES, -(10**23))])
    await store.commit("test", session.take_batch(1601, 2))
    assert await verify(database, lambda what, done, of: None) == []
    await store.release("test")
    stored = await store.resume("test")
    again = TradingSession(session.settings)
    again.restore(stored.parts, stored.rows)
    assert again.wallet.owed("USDT") == session.wallet.owed("USDT") > 0


async def test_the_report_knows_no_coins_of_what_was_lent(store: SessionStore, database: Database) -> None:
    session = await lent(store)
    report = await read_report(database, "test")
    told = session.portfolio.pnl_summary().fees["USDT"]
    assert report.fees == {"USDT": told}
