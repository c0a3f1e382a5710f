"""A stored session, with its market walked again: what the record says is what other rules are given."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.session.sessions import START_NS, demo, settings_for
from tests.storage.scripted_session import ScriptedSession, session_record

from triplegain.app import optimism
from triplegain.app.optimism import MarketGoneError, read_optimism
from triplegain.domain.clock import ManualClock
from triplegain.domain.exchange_events import OrderAmended, OrderPriced, OrderTriggered
from triplegain.domain.orders import AmendRequest, OrderRequest, OrderTerms, Side
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import Limit, Market, StopLoss, TrailingStop
from triplegain.market.feed import CaptureError
from triplegain.optimism.recorded import LeftOut
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.errors import SessionNotFoundError
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

PAIR, COINS = "BTC/USDT", Decimal("0.02")
ABOVE = Offset(Sign.PLUS, Decimal(50))


async def test_orders_of_the_record_meet_the_market_that_they_met(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.connect(database_url)
    store = SessionStore(database, ManualClock(START_NS))
    session = TradingSession(settings_for(demo(seconds=20), baseline=None))
    session_id = session.settings.session_id
    await store.create(session_record(session_id))
    events = demo(seconds=20).events()

    def play(messages: int) -> None:
        for event in islice(events, messages):
            session.on_event(event)

    def place(name: str, terms: OrderTerms, side: Side = Side.BUY) -> None:
        session.by_hand.place(OrderRequest(name, PAIR, side, COINS, terms))

    play(300)
    place("market", Market())
    place("trailing", TrailingStop(Offset(Sign.PLUS, Decimal(100))))
    place("limit", Limit(Decimal(20_000)))
    play(300)
    place("stop", StopLoss(ABOVE))
    session.by_hand.amend(AmendRequest("limit", price=Decimal(20_001)))
    play(300)
    batch = session.take_batch(900, 1)
    await store.commit(session_id, batch)

    read = await SessionReader(database).repricings(session_id)
    assert read == [each for each in batch.events if isinstance(each, OrderAmended | OrderPriced | OrderTriggered)]
    assert {type(each) for each in read} == {OrderAmended, OrderPriced}

    # The feed as it is opened again is the same, and goes on where the session has ended.
    monkeypatch.setattr(optimism, "open_feed", lambda spec, seed: demo(seconds=20))
    found = await read_optimism(tmp_path, database, session_id)
    assert (found.orders, found.left_out, found.synthetic) == (4, {LeftOut.KIND: 1}, True)
    assert found.other_quotes == 0
    # Bought along the book after its latency; kraken-cli pays the ask of the decision for all of it.
    fills = batch.fills
    assert {each.client_order_id for each in fills} == {"market"}
    ask = Decimal(fills[0].explanation["quote_at_decision"][1])
    paid, fees = sum(each.notional for each in fills), sum(each.fee for each in fills)
    told = {each.rule: each for each in found.rules}
    kraken_cli = told["kraken-cli"]
    assert (kraken_cli.orders, kraken_cli.filled_here, kraken_cli.filled_there) == (2, 1, 1)
    assert kraken_cli.flattered == (paid - ask * COINS) + (fees - ask * COINS * Decimal("0.0026"))
    assert told["LEAN"].flattered == kraken_cli.flattered
    # Another market is not taken for it.
    monkeypatch.setattr(optimism, "open_feed", lambda spec, seed: demo(seed=4, seconds=20))
    with pytest.raises(MarketGoneError, match="is not the market that test was on: 1 of its orders met other quotes"):
        await read_optimism(tmp_path, database, session_id, "replay:elsewhere")
    await store.close()
    await database.close()


async def test_a_market_that_cannot_be_had_again_says_so(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.connect(database_url)
    store = SessionStore(database, ManualClock(START_NS))
    await store.create(replace(session_record("live"), feed="live"))
    with pytest.raises(MarketGoneError, match="`tg paper --record` keeps what a session sees"):
        await read_optimism(tmp_path, database, "live")
    # A recording under its name is its market; this one says nothing.
    folder = tmp_path / "recordings" / "live"
    folder.mkdir(parents=True)
    monkeypatch.setattr(optimism, "is_recording", lambda path: path == folder)
    with pytest.raises(CaptureError, match="recordings/live"):
        await read_optimism(tmp_path, database, "live")
    with pytest.raises(SessionNotFoundError):
        await read_optimism(tmp_path, database, "nobody")
    # Three orders of 2023, and the demo market begins in 2026: nothing of it is theirs.
    await store.create(session_record("a"))
    script = ScriptedSession("a")
    for step in (script.opening(), script.buy(), script.buy(), script.rest()):
        await store.commit("a", step)
    found = await read_optimism(tmp_path, database, "a")
    assert (found.orders, found.left_out, found.begins_ns, found.rules) == (3, {LeftOut.NO_MARKET: 3}, None, ())
    await store.close()
    await database.close()
