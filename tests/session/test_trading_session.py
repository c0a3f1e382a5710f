"""A whole session in memory: market in, balanced record out, the same every time."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import islice, pairwise
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.ledger.balanced import check_balanced
from tests.session.sessions import demo, played, settings_for
from tests.session.stored_parts import stored

from triplegain.domain.exchange_events import OrderAccepted, OrderFilled, OrderSubmitted
from triplegain.domain.ledger_entry import LedgerAccount, LedgerEntry
from triplegain.domain.orders import Limit, Market, OrderRequest, Side, StopLoss
from triplegain.domain.records import DecisionRecord, Outcome
from triplegain.domain.refusals import Refusal
from triplegain.risk.state import HaltKind, RiskHalt
from triplegain.session.trading_session import TradingSession


def words(recorded: list[Any]) -> list[str]:
    """Everything recorded as text, explanations included: events, entries, decisions, each in its own order."""
    encoder = msgspec.json.Encoder(enc_hook=dict, decimal_format="string")
    grouped = sorted(recorded, key=lambda item: (isinstance(item, LedgerEntry), isinstance(item, DecisionRecord)))
    return [encoder.encode(item).decode() for item in grouped]


@pytest.fixture(scope="module")
def whole() -> list[Any]:
    """What the usual market leaves, played once."""
    feed = demo()
    return played(TradingSession(settings_for(feed)), feed.events())


def test_a_session_opens_and_closes_positions_by_itself(whole: list[Any]) -> None:
    fills = [item for item in whole if isinstance(item, OrderFilled)]
    assert {fill.side for fill in fills} == {Side.BUY, Side.SELL}
    sent = {item.request.client_order_id.split("-")[1] for item in whole if isinstance(item, OrderSubmitted)}
    assert sent == {"entry", "stop", "exit"}


def test_nothing_of_a_finished_order_stays_in_memory(market: Any, open_session: Any, play: Any) -> None:
    feed = market()
    session = open_session(feed)
    recorded = play(session, feed.events())
    assert sum(isinstance(item, OrderSubmitted) for item in recorded) > 10
    assert session.desk.positions.drain_changed() == []
    # Nothing is on its way to us, so nothing is known twice; what stands is what is open.
    kept = {name for name in session.parts.rows if name[0] in ("execution.order", "execution.told_order")}
    assert kept == {("execution.order", str(each.order_number)) for each in session.executor.orders.open_orders()}


def test_the_same_market_gives_the_same_record(market: Any, open_session: Any, play: Any, whole: list[Any]) -> None:
    assert words(play(open_session(market()), market().events())) == words(whole)
    assert len(whole) > 50


@pytest.mark.parametrize("cut", [1999, *(pytest.param(cut, marks=pytest.mark.slow) for cut in (500, 2456))])
def test_a_session_stored_and_restored_goes_on_identically(
    market: Any, open_session: Callable[..., TradingSession], play: Any, whole: list[Any], cut: int
) -> None:
    events = market().events()
    first = open_session(market())
    before = play(first, islice(events, cut))
    parts = stored(first)
    second = open_session(market())
    again = market().events()
    for event in islice(again, cut):
        second.observe(event)
    second.restore(parts)
    assert words(before + play(second, again)) == words(whole)


def test_market_time_may_pass_in_slices_between_messages(
    market: Any, open_session: Any, play: Any, whole: list[Any]
) -> None:
    session, recorded, before = open_session(market()), [], None
    for event in market().events():
        if before is not None:
            for part in range(1, 4):
                session.advance_to(before + (event.exchange_time_ns - before) * part // 4 - 1)
        before = event.exchange_time_ns
        recorded += play(session, iter([event]))
    assert words(recorded) == words(whole)


def test_after_every_step_the_books_balance(market: Any, open_session: Any) -> None:
    feed = market(seed=5, seconds=90)
    session = open_session(feed)
    sums: dict[str, int] = {}
    for event in feed.events():
        session.on_event(event)
        batch = session.take_batch(0, 0)
        check_balanced(batch.entries)
        for entry in batch.entries:
            if isinstance(entry, LedgerEntry) and entry.account is LedgerAccount.WALLET:
                sums[entry.asset] = sums.get(entry.asset, 0) + entry.amount_atoms
        wallet = session.wallet
        assert all(wallet.total(asset) == total for asset, total in sums.items())
        reserved: dict[str, int] = {}
        for order in session.exchange.orders.values():
            asset = order.instrument.quote if order.request.side is Side.BUY else order.instrument.base
            reserved[asset] = reserved.get(asset, 0) + wallet.reserved(order.number)
        assert all(wallet.held(asset) == reserved.get(asset, 0) for asset in wallet.assets())
        assert all(wallet.available(asset) >= 0 for asset in wallet.assets())


def test_every_entry_is_protected_by_a_stop_of_its_quantity(market: Any, open_session: Any, play: Any) -> None:
    feed = market()
    recorded = play(open_session(feed), feed.events())
    bought = sum(f.quantity for f in recorded if isinstance(f, OrderFilled) and f.side is Side.BUY)
    stops = [
        item.request.quantity
        for item in recorded
        if isinstance(item, OrderSubmitted) and isinstance(item.request.terms, StopLoss)
    ]
    held_by_stops = sum(stops, Decimal(0))
    # A stop that grows by an amendment was sent with less; never with more than was bought.
    assert 0 < held_by_stops <= bought


def test_no_decision_is_made_twice_in_the_record_for_the_same_reason(whole: list[Any]) -> None:
    decisions = [d for d in whole if isinstance(d, DecisionRecord)]
    assert [d.number for d in decisions] == list(range(1, len(decisions) + 1))
    for symbol in {d.symbol for d in decisions}:
        of_symbol = [(d.outcome, d.reasons) for d in decisions if d.symbol == symbol]
        held = [pair for pair in pairwise(of_symbol) if pair[0] == pair[1]]
        assert all(first[0] not in ("held", "abstained") for first, _ in held)


def _ready(market: Any, open_session: Any) -> tuple[TradingSession, Any]:
    feed = market(seconds=60)
    session = open_session(feed, baseline=None)
    events = feed.events()
    for event in islice(events, 200):
        session.on_event(event)
    return session, events


def test_a_person_may_buy_and_the_answer_takes_its_time(market: Any, open_session: Any) -> None:
    session, events = _ready(market, open_session)
    sent = session.by_hand.place(OrderRequest("mine", "BTC/USDT", Side.BUY, Decimal("0.01"), Market()))
    assert isinstance(sent, OrderRequest)
    assert [type(e) for e in session.take_batch(0, 0).events] == [OrderSubmitted]
    at = session.now_ns
    for event in events:
        session.on_event(event)
        batch = session.take_batch(0, 0)
        if batch.fills:
            accepted = next(e for e in batch.events if isinstance(e, OrderAccepted))
            # Placing takes 100 ms and up to 30 ms of jitter.
            assert 100_000_000 <= accepted.time_ns - at <= 130_000_000
            return
    raise AssertionError("the order never filled")


def test_orders_are_refused_before_the_first_price(market: Any, open_session: Any) -> None:
    session = open_session(market())
    refused = session.by_hand.place(OrderRequest("early", "BTC/USDT", Side.BUY, Decimal("0.01"), Market()))
    assert isinstance(refused, Refusal)
    assert "not started" in refused.reason


def test_the_same_client_order_id_is_one_order(market: Any, open_session: Any) -> None:
    session, _ = _ready(market, open_session)
    request = OrderRequest("once", "BTC/USDT", Side.BUY, Decimal("0.01"), Limit(Decimal("1000")))
    first, second = session.by_hand.place(request), session.by_hand.place(request)
    assert isinstance(first, OrderRequest)
    assert first == second
    assert len(session.take_batch(0, 0).orders) == 1


def test_a_paused_session_opens_nothing(market: Any, open_session: Any, play: Any) -> None:
    feed = market()
    session = open_session(feed)
    session.paused = True
    recorded = play(session, feed.events())
    assert not [item for item in recorded if isinstance(item, OrderSubmitted)]
    reasons = {r for d in recorded if isinstance(d, DecisionRecord) and d.outcome == "refused" for r in d.reasons}
    assert "trading is paused: no new positions" in reasons
    # A pause and an empty account speak before risk is asked.
    assert session.decisions.state.counts[Outcome.REFUSED] > 0
    assert session.decisions.state.refused_by_risk == 0


def test_what_risk_refuses_is_counted_apart_from_what_never_came_before_it(
    market: Any, open_session: Any, play: Any
) -> None:
    feed = market()
    session = open_session(feed)
    halted = RiskHalt(HaltKind.DRAWDOWN, None, "a test's halt")
    session.risk._state = replace(session.risk.memory, halts=(halted,))
    recorded = play(session, feed.events())
    refused = [d for d in recorded if isinstance(d, DecisionRecord) and d.outcome is Outcome.REFUSED]
    by_risk = [decision for decision in refused if "halted" in decision.details.get("rules", ())]
    # Purchases come before risk; a sale of what is not there does not.
    assert 0 < len(by_risk) < len(refused)
    assert (session.decisions.state.refused_by_risk, session.decisions.state.counts[Outcome.REFUSED]) == (
        len(by_risk),
        len(refused),
    )


def test_the_baseline_leaves_a_position_opened_by_hand_alone(market: Any, open_session: Any, play: Any) -> None:
    feed = market()
    session = open_session(feed)
    events = feed.events()
    recorded = play(session, islice(events, 200))
    session.by_hand.place(OrderRequest("mine", "BTC/USDT", Side.BUY, Decimal("0.01"), Market()))
    recorded += play(session, events)
    mine = next(
        r for r in session.executor.positions.records() if r.symbol == "BTC/USDT" and r.quantity == Decimal("0.01")
    )
    assert mine.is_open
    exits = [
        item.request
        for item in recorded
        if isinstance(item, OrderSubmitted) and item.request.symbol == "BTC/USDT" and item.request.purpose == "signal"
    ]
    assert exits and mine.position_id not in {request.position_id for request in exits}


def test_a_step_tells_the_balance_of_a_coin_that_it_bought_and_sold_again(market: Any, open_session: Any) -> None:
    """The store compares the balance of every asset that has entries, also where they come to nothing."""
    feed = market()
    session, events = open_session(feed, baseline=None), feed.events()
    for event in islice(events, 200):
        session.on_event(event)
    session.by_hand.place(OrderRequest("there", "BTC/USDT", Side.BUY, Decimal("0.02"), Market()))
    for event in islice(events, 200):
        session.on_event(event)
    session.by_hand.close_position("pos-1")
    session.take_batch(0, 0)
    session.by_hand.place(OrderRequest("back", "BTC/USDT", Side.BUY, Decimal("0.02"), Market()))
    for event in islice(events, 200):
        session.on_event(event)
    batch = session.take_batch(0, 0)
    assert sum(each.amount_atoms for each in batch.entries if (each.account, each.asset) == ("wallet", "BTC")) == 0
    assert {"BTC", "USDT"} <= {each.asset for each in batch.balances}
