"""Orders whose fee is taken in coins, from the session to the rows and back."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

from tests.session.sessions import demo, settings_for
from tests.storage.scripted_session import session_record

from triplegain.domain.orders import FeePreference, Market, OrderOptions, OrderRequest, Side
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_report import read_report
from triplegain.storage.session_store import SessionStore
from triplegain.storage.stored_books import verify


async def traded(store: SessionStore) -> TradingSession:
    """A position whose entry paid in coins, and one whose entry did not."""
    feed = demo(seconds=30)
    session = TradingSession(settings_for(feed, baseline=None))
    await store.create(session_record("test"))
    events = feed.events()
    for name, preference in (("coins", FeePreference.BASE), ("cash", FeePreference.QUOTE)):
        for event in islice(events, 300):
            session.on_event(event)
        options = OrderOptions(fee_preference=preference)
        request = OrderRequest(name, "BTC/USDT", Side.BUY, Decimal("0.01"), Market(), options=options)
        session.by_hand.place(request, stop=Decimal(10_000))
    for event in islice(events, 600):
        session.on_event(event)
    await store.commit("test", session.take_batch(1200, 1))
    return session


async def test_what_came_is_in_the_books_and_they_agree(store: SessionStore, database: Database) -> None:
    session = await traded(store)
    assert await verify(database, lambda what, done, of: None) == []
    reader = SessionReader(database)
    coins = await reader.order("test", client_order_id="coins")
    cash = await reader.order("test", client_order_id="cash")
    assert coins is not None and cash is not None
    assert (coins.request.fee_asset, cash.request.fee_asset) == ("BTC", "USDT")
    fills = await reader.fills("test", order_number=coins.order_number)
    # 0.40 % of each fill's coins, whole lots of 1e-8
    assert [fill.fee_asset for fill in fills] == ["BTC"] * len(fills)
    assert coins.fees == sum(fill.fee for fill in fills) >= Decimal("0.00004")
    held = {each.position_id: each.quantity for each in await reader.positions("test")}
    assert sorted(held.values()) == [Decimal("0.01") - coins.fees, Decimal("0.01")]
    # The stop of each sells what there is.
    assert sorted(order.left for order in session.exchange.orders.values()) == [
        int(quantity * 10**8) for quantity in sorted(held.values())
    ]
    stored = await _again(store, session)
    assert stored.portfolio.state.fees_paid.keys() == {"BTC", "USDT"}


async def _again(store: SessionStore, session: TradingSession) -> TradingSession:
    await store.release("test")
    stored = await store.resume("test")
    again = TradingSession(session.settings)
    again.restore(stored.parts, stored.rows)
    return again


async def test_the_report_counts_fees_by_asset_and_by_their_worth(store: SessionStore, database: Database) -> None:
    await traded(store)
    report = await read_report(database, "test")
    fills = await SessionReader(database).fills("test")
    assert report.fees == {
        asset: sum(fill.fee for fill in fills if fill.fee_asset == asset) for asset in ("BTC", "USDT")
    }
    (figures,) = report.symbols
    assert figures.fees == sum(fill.fee_value for fill in fills)
    (shortfall,) = report.shortfall
    assert (shortfall.asset, shortfall.fills, shortfall.fee) == ("USDT", len(fills), figures.fees)
