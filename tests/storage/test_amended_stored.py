"""Orders of which more than quantity and price was amended, from the session to the rows and back."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

from tests.session.sessions import demo, settings_for
from tests.storage.scripted_session import session_record

from triplegain.domain.orders import AmendRequest, OrderRequest, Side
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import Iceberg, TrailingStopLimit
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore
from triplegain.storage.stored_books import verify

ICEBERG = Iceberg(Decimal(10_000), Decimal("0.05"))
TRAILING = TrailingStopLimit(Offset(Sign.PLUS, Decimal(100)), Offset(Sign.PLUS, Decimal(1)))
FURTHER = Offset(Sign.PLUS, Decimal(20), percent=True)


async def test_terms_as_amended_stand_beside_what_was_asked_for(store: SessionStore, database: Database) -> None:
    feed = demo(seconds=20)
    session = TradingSession(settings_for(feed, baseline=None))
    await store.create(session_record("test"))
    events = feed.events()
    for event in islice(events, 300):
        session.on_event(event)
    for name, terms in (("iceberg", ICEBERG), ("trailing", TRAILING)):
        session.by_hand.place(OrderRequest(name, "BTC/USDT", Side.BUY, Decimal("0.1"), terms))
    for event in islice(events, 300):
        session.on_event(event)
    await store.commit("test", session.take_batch(600, 1))  # as it was before
    session.by_hand.amend(AmendRequest("iceberg", display=Decimal("0.02")))
    session.by_hand.amend(AmendRequest("trailing", trail=FURTHER, limit_price=Offset(Sign.PLUS, Decimal(2))))
    for event in islice(events, 300):
        session.on_event(event)
    await store.commit("test", session.take_batch(900, 2))

    assert await verify(database, lambda what, done, of: None) == []
    reader = SessionReader(database)
    further = TrailingStopLimit(FURTHER, Offset(Sign.PLUS, Decimal(2)))
    for name, asked, now in (
        ("iceberg", ICEBERG, Iceberg(Decimal(10_000), Decimal("0.02"))),
        ("trailing", TRAILING, further),
    ):
        order = await reader.order("test", client_order_id=name)
        assert order is not None
        assert (order.request.terms, order.amended_terms, order.request_now.terms) == (asked, now, now)
    await store.release("test")
    stored = await store.resume("test")
    again = TradingSession(session.settings)
    again.restore(stored.parts, stored.rows)
    kept, there = again.exchange.orders, session.exchange.orders
    assert {name: order.request for name, order in kept.items()} == {name: o.request for name, o in there.items()}
    assert kept["trailing"].standing() == there["trailing"].standing()
