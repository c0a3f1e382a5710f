"""What the exchange has under way, and what it lets go: times, names and counts, at the edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.exchange.conftest import INSTRUMENT, NO_DELAY, Bench
from tests.exchange.margin_bench import MarginBench
from tests.session.stored_parts import all_said

from triplegain.domain.clock import NEVER
from triplegain.domain.exchange_events import OrderSubmitted
from triplegain.domain.market import Candle, CandleClosed, FeedState, FeedStatus, Heartbeat, MarketDepth
from triplegain.domain.orders import Market, OrderOptions, OrderRequest, OrderStatus, Side, TimeInForce
from triplegain.domain.terms import SettlePosition

D = Decimal
SYMBOL = INSTRUMENT.symbol
SLOW = replace(NO_DELAY, place_delay_ns=100, cancel_delay_ns=50)


def slow(bench: Callable[..., Bench]) -> Bench:
    b = bench(settings=SLOW)
    b.book(bids="100.0x5", asks="100.1x1 100.2x10", snapshot=True, at=10)
    return b


def submitted(b: Bench) -> list[OrderSubmitted]:
    return [event for event in b.drain() if isinstance(event, OrderSubmitted)]


# -- time ----------------------------------------------------------------------------------------------------------


def test_time_goes_on_with_what_is_told_and_never_back(usual: Bench) -> None:
    exchange = usual.exchange
    exchange.run_before(70)
    assert exchange.now_ns == 70
    exchange.run_before(60)
    exchange.wake(65)
    exchange.run_through(50)
    assert exchange.now_ns == 70
    exchange.wake(80)
    assert exchange.now_ns == 80


def test_what_is_next_is_known_when_something_is_sent_and_when_it_is_called_off(bench: Callable[..., Bench]) -> None:
    b = slow(bench)
    assert b.exchange.next_due_ns == NEVER
    b.exchange.place(b.request("later", "buy", "1", "99.0", options=OrderOptions(starts_at_ns=500)))
    assert b.exchange.next_due_ns == 110
    b.exchange.run_through(110)
    assert b.exchange.next_due_ns == 500
    b.exchange.cancel("later")
    assert b.exchange.next_due_ns == 160
    b.exchange.run_through(160)
    assert b.exchange.next_due_ns == NEVER
    assert b.ends("later") == "cancelled: User requested"


def test_so_it_is_after_a_restart(bench: Callable[..., Bench]) -> None:
    b, after = slow(bench), slow(bench)
    b.exchange.place(b.request("o", "buy", "1", "99.0"))
    after.parts.restore(all_said(b.parts))
    assert (after.exchange.next_due_ns, after.exchange.agenda.next_due_ns) == (110, 110)


@pytest.mark.parametrize(("opens", "end"), [(499, "open"), (500, "open"), (501, "open")])
def test_one_whose_time_comes_in_a_closed_market_starts_with_its_opening(usual: Bench, opens: int, end: str) -> None:
    usual.order("later", "buy", "1", "99.0", options=OrderOptions(starts_at_ns=500))
    usual.exchange.on_event(FeedStatus(SYMBOL, 400, 400, FeedState.MAINTENANCE, ""))
    if opens >= 500:
        usual.exchange.on_event(Heartbeat(500, 500))
    usual.exchange.on_event(FeedStatus(SYMBOL, opens, opens, FeedState.SYNCED, ""))
    order = usual.exchange.orders["later"]
    assert order.scheduled is (opens < 500)
    usual.exchange.on_event(Heartbeat(600, 600))
    assert (order.scheduled, usual.ends("later")) == (False, end)


# -- batches -------------------------------------------------------------------------------------------------------


def test_a_batch_of_nothing_is_nothing(usual: Bench) -> None:
    sent = usual.exchange.last_command
    usual.exchange.place_batch([])
    assert (usual.exchange.last_command, submitted(usual)) == (sent, [])


def test_a_batch_arrives_at_the_time_of_its_market(bench: Callable[..., Bench]) -> None:
    """A delay shorter than a candle is none."""
    b = bench(settings=SLOW, depth=MarketDepth.CANDLES)
    b.exchange.on_event(CandleClosed(SYMBOL, 1000, 1000, Candle(SYMBOL, 0, 1000, 1000, 1000, 1000, 1000, 10**9)))
    b.exchange.place_batch([b.request("a", "buy", "1", "99.0"), b.request("b", "buy", "1", "99.0")])
    assert [event.arrives_at_ns for event in submitted(b)] == [1000, 1000]


def test_of_a_batch_what_no_row_can_hold_is_over_at_once_and_the_others_go_on(bench: Callable[..., Bench]) -> None:
    b = slow(bench)
    bad, good = b.request("bad", "buy", "1", "99.0"), b.request("good", "buy", "1", "99.0")
    b.exchange.unstorable[bad] = "no row can hold it"
    b.exchange.place_batch([bad, good])
    assert b.ends("bad") == "error: no row can hold it"
    # Of what was asked for nothing is told that a row could not hold.
    bare = OrderRequest("bad", SYMBOL, Side.BUY, D(0), Market())
    assert [event.request for event in submitted(b)] == [bare, good]
    b.exchange.run_through(110)
    assert b.ends("good") == "open"
    assert b.exchange._working.open_count(SYMBOL) == 1


@pytest.mark.parametrize(
    ("quantity", "told"), [("1", None), ("1.000000005", D(1)), ("0.000000001", D(0)), ("-1", None)]
)
def test_what_is_sent_says_how_much_of_it_can_be_traded(usual: Bench, quantity: str, told: Decimal | None) -> None:
    usual.order("o", "buy", quantity, "99.0")
    assert [event.quantity for event in submitted(usual)] == [told]


# -- what is over --------------------------------------------------------------------------------------------------


def test_an_order_is_taken_out_on_its_way_and_counts_among_none(bench: Callable[..., Bench]) -> None:
    b = slow(bench)
    b.exchange.place(b.request("o", "buy", "1", "99.0"))
    order = b.exchange.orders["o"]
    assert b.exchange.take_out(order.number, "words") is order
    assert (b.ends("o"), b.exchange.orders, b.exchange.next_due_ns) == ("error: words", {}, NEVER)
    assert b.exchange._working.open_count(SYMBOL) == 0


def test_a_settlement_is_over_when_it_is_done() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "1", 5)
    b.order("settle", "sell", "1", SettlePosition(), leverage=2)
    assert b.exchange.orders == {}
    assert b.exchange._working.open_count(SYMBOL) == 0
    # A name that is known sends nothing.
    b.order("settle", "buy", "1")
    assert len(submitted(b)) == 2


def test_an_order_of_the_exchanges_own_is_open_from_the_start_and_holds_nothing() -> None:
    """On a tape it waits for the next trade."""
    b = MarginBench({"USDT": "1001"}, depth=MarketDepth.TAPE)
    b.trade("sell", "1", "100.0")
    b.open("long", "buy", "50", 5)
    b.trade("sell", "100", "100.0")
    b.trade("sell", "1", "85.0", at=77)
    [order] = b.exchange.orders.values()
    assert (order.status, order.opened_ns, order.touched_ns, order.left) == (
        OrderStatus.OPEN, 77, 77, b.instrument.lots(D(50)),
    )  # fmt: skip
    assert (b.held("USDT"), b.held("BTC"), b.exchange._working.open_count(SYMBOL)) == ("0", "0", 1)
    assert order.place > 0
    b.trade("sell", "100", "85.0")
    assert (b.exchange.orders, b.positions, b.exchange._working.open_count(SYMBOL)) == ({}, [], 0)


@pytest.mark.parametrize(("expires", "end"), [(500, "expired"), (501, "open")])
def test_a_date_counts_at_its_nanosecond(usual: Bench, expires: int, end: str) -> None:
    usual.order("o", "buy", "1", "99.0", time_in_force=TimeInForce.GTD, expires_at_ns=expires)
    usual.exchange.on_event(Heartbeat(500, 500))
    assert usual.ends("o").partition(":")[0] == end
