"""What comes of an order that arrives: what it costs, what is said of it, and when it begins. Worked here.

Bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10. A command costs 1.000 of the rate limit, of which 180 are allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import INSTRUMENT, NO_DELAY, Bench

from triplegain.domain.clock import NEVER, SECOND_NS
from triplegain.domain.exchange_events import OrderPriced, OrderRejected, OrderScheduled
from triplegain.domain.market import FeedState, FeedStatus, MarketDepth
from triplegain.domain.money import text
from triplegain.domain.orders import Limit, Market, OrderOptions, OrderStatus, StopLoss, TimeInForce
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import StopLossLimit, TrailingStop
from triplegain.exchange.book import ASK
from triplegain.exchange.queue import UNKNOWN_AHEAD
from triplegain.exchange.settings import AccountTier

D = Decimal
SYMBOL = INSTRUMENT.symbol
TOO_MANY = "too many order commands on BTC/USDT: wait for the counter to decay"
UP, DOWN = Offset(Sign.PLUS, D(1)), Offset(Sign.MINUS, D(1))


@pytest.fixture
def counted(bench: Callable[..., Bench]) -> Bench:
    """An account whose commands are counted."""
    b = bench({"USDT": "1000", "BTC": "10"}, replace(NO_DELAY, account_tier=AccountTier.PRO))
    b.book(bids="100.0x5", asks="100.1x1 100.2x10", snapshot=True, at=SECOND_NS)
    b.trade("sell", "0.1", "100.0", at=SECOND_NS + 1)
    return b


def reasons(b: Bench) -> dict[str, str]:
    return {event.client_order_id: event.reason for event in b.drain() if isinstance(event, OrderRejected)}


def open_count(b: Bench) -> int:
    return b.exchange._working.open_count(SYMBOL)


# -- looked at, and not sent ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "rate", "why", "costs"),
    [
        ("100.0", 0, None, 1000),
        ("100.05", 0, "100.05 is not a multiple of BTC/USDT's tick 0.1", 1000),
        ("1000.0", 0, "needs 1004 USDT with fees, 1000 is available", 1000),
        ("100.0", 179_999, None, 1000),
        ("100.0", 180_000, TOO_MANY, 1000),
        (Limit(D("100.1"), post_only=True), 0, "a post-only order at this price would take liquidity", 1000),
    ],
)
def test_what_would_be_said_of_an_order_costs_what_sending_it_does(
    counted: Bench, terms: Any, rate: int, why: str | None, costs: int
) -> None:
    counted.market.rate.value, counted.market.rate.at_ns = rate, counted.exchange.now_ns
    told = len(counted.drain())
    refusal = counted.exchange.validate(counted.request("o", "buy", "1", terms))
    assert (None if refusal is None else refusal.reason) == why
    assert counted.market.rate.value == rate + costs
    assert (counted.exchange.orders, counted.exchange.order_count, counted.held("USDT")) == ({}, 0, "0")
    assert (len(counted.drain()), counted.exchange.next_due_ns, open_count(counted)) == (told, NEVER, 0)


# -- batches -------------------------------------------------------------------------------------------------------


def batch(b: Bench, *orders: tuple[str, str, Any]) -> None:
    b.exchange.place_batch([b.request(name, "buy", quantity, terms) for name, quantity, terms in orders])
    b.exchange.run_through(b.exchange.now_ns)


def test_one_that_is_not_valid_ends_the_batch_and_each_is_told_why(counted: Bench) -> None:
    batch(counted, ("a", "1", "100.0"), ("b", "1", "100.05"), ("c", "0.00001", "99.0"), ("d", "1", "100.0"))
    tick, minimum = "100.05 is not a multiple of BTC/USDT's tick 0.1", "0.00001 BTC is below BTC/USDT's minimum 0.00005"
    whole = f"the whole batch is refused for order 2: {tick}"
    assert reasons(counted) == {"a": whole, "b": tick, "c": minimum, "d": whole}
    assert (counted.market.rate.value, open_count(counted), counted.exchange.orders) == (2000, 0, {})


def test_what_is_in_the_way_of_one_ends_that_one_alone(counted: Bench) -> None:
    batch(counted, ("a", "9", "100.0"), ("b", "1", "100.0"), ("c", "0.9", "100.0"))
    assert reasons(counted) == {"b": "needs 100.4 USDT with fees, 96.4 is available"}
    assert (sorted(counted.exchange.orders), open_count(counted)) == (["a", "c"], 2)
    assert counted.market.rate.value == 1500


def test_at_the_limit_all_of_a_batch_are_too_many(counted: Bench) -> None:
    counted.market.rate.value, counted.market.rate.at_ns = 180_000, counted.exchange.now_ns
    batch(counted, ("a", "1", "90.0"), ("b", "1", "90.0"))
    assert reasons(counted) == {"a": TOO_MANY, "b": TOO_MANY}


# -- when it begins ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "waits"), [(-1, False), (0, False), (1, True)])
def test_an_order_waits_for_a_time_that_is_still_to_come(counted: Bench, after: int, waits: bool) -> None:
    starts_ns = counted.exchange.now_ns + after
    counted.order("o", "buy", "1", "100.0", options=OrderOptions(starts_at_ns=starts_ns))
    order = counted.exchange.orders["o"]
    assert (order.scheduled, order.is_at_exchange, open_count(counted)) == (waits, True, 1)
    assert [e.starts_at_ns for e in counted.drain() if isinstance(e, OrderScheduled)] == ([starts_ns] if waits else [])
    assert counted.held("USDT") == ("0" if waits else "100.4")
    counted.exchange.run_through(starts_ns + 5)
    assert (order.scheduled, order.status, open_count(counted)) == (False, OrderStatus.OPEN, 1)
    assert order.opened_ns == (starts_ns if waits else SECOND_NS + 1)
    assert (order.arrived_ns, counted.held("USDT")) == (order.opened_ns, "100.4")


def test_one_that_cannot_be_paid_when_its_time_comes_is_over(counted: Bench) -> None:
    starts_ns = counted.exchange.now_ns + 5
    counted.order("o", "buy", "1", "100.0", options=OrderOptions(starts_at_ns=starts_ns))
    counted.order("bid", "buy", "9.5", "100.0")
    counted.exchange.run_through(starts_ns)
    assert reasons(counted) == {"o": "needs 100.4 USDT with fees, 46.2 is available"}
    assert (open_count(counted), counted.exchange.next_due_ns) == (1, NEVER)


def test_at_the_limit_no_more_are_scheduled(counted: Bench) -> None:
    counted.market.rate.value, counted.market.rate.at_ns = 180_000, counted.exchange.now_ns
    counted.order("o", "buy", "1", "100.0", options=OrderOptions(starts_at_ns=counted.exchange.now_ns + 5))
    assert (reasons(counted), open_count(counted), counted.exchange.next_due_ns) == ({"o": TOO_MANY}, 0, NEVER)


@pytest.mark.parametrize("force", [TimeInForce.GTC, TimeInForce.GTD])
def test_a_date_is_due_where_there_is_one(counted: Bench, force: TimeInForce) -> None:
    date_ns = counted.exchange.now_ns + 7 if force is TimeInForce.GTD else None
    counted.order("o", "buy", "1", "100.0", time_in_force=force, expires_at_ns=date_ns)
    assert counted.exchange.next_due_ns == (date_ns or NEVER)


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ("100.0", []),
        (Market(), []),
        (StopLoss(D("99.0")), []),
        # The last trade was at 100.0.
        (Limit(UP), ["101"]),
        (Limit(DOWN), ["99"]),
        (TrailingStop(UP), ["99"]),
        (StopLossLimit(D("99.0"), DOWN), []),
        (StopLoss(DOWN), ["99"]),
    ],
)
def test_a_price_that_the_terms_do_not_name_is_told(counted: Bench, terms: Any, told: list[str]) -> None:
    counted.order("o", "sell", "1", terms)
    assert [text(event.price) for event in counted.drain() if isinstance(event, OrderPriced)] == told


# -- edits ---------------------------------------------------------------------------------------------------------


def edit(b: Bench, quantity: str, terms: Any, side: str = "buy") -> None:
    b.order("new", side, quantity, terms, options=OrderOptions(replaces="old"))


@pytest.mark.parametrize(
    ("quantity", "terms", "why", "costs"),
    [
        # 1.000, and 6.000 for an order so young; one that is refused 1.000.
        ("2", "99.0", None, 7000),
        ("0.4", "99.0", None, 7000),
        ("0.39999999", "99.0", "more of the order has been filled than the new quantity", 1000),
        ("1", "99.95", "99.95 is not a multiple of BTC/USDT's tick 0.1", 1000),
        ("1", Limit(D("100.1"), post_only=True), "a post-only order at this price would take liquidity", 1000),
        ("20", "100.0", "needs 2008 USDT with fees, 959.9 is available", 1000),
    ],
)
def test_an_edit_costs_more_than_its_refusal(
    counted: Bench, quantity: str, terms: Any, why: str | None, costs: int
) -> None:
    """0.4 of the old order are filled, for 40.1 with a maker's fee of 0.25 %."""
    counted.order("old", "buy", "1", "100.0")
    counted.trade("sell", "5.4", "100.0", at=SECOND_NS + 2)
    counted.market.rate.value, counted.market.rate.at_ns = 0, counted.exchange.now_ns
    edit(counted, quantity, terms)
    assert reasons(counted).get("new") == why
    assert (counted.market.rate.value, open_count(counted)) == (costs, 1)
    assert list(counted.exchange.orders) == ["old" if why else "new"]


def test_what_has_been_triggered_is_not_edited(counted: Bench) -> None:
    counted.order("old", "sell", "1", StopLossLimit(D("99.5"), D("101.0")))
    counted.trade("sell", "9", "99.4", at=SECOND_NS + 2)
    edit(counted, "1", "102.0", side="sell")
    assert reasons(counted) == {"new": "a triggered order cannot be edited"}


def test_what_a_fill_has_opened_and_what_opens_something_is_not_edited(counted: Bench) -> None:
    words = "an order with a conditional close cannot be edited"
    counted.order("old", "buy", "1", "100.0", options=OrderOptions(close=Limit(D("110.0"))))
    edit(counted, "1", "99.0")
    counted.trade("sell", "9", "99.9", at=SECOND_NS + 2)
    counted.exchange.run_through(SECOND_NS + 3)
    [name] = counted.exchange.orders
    counted.order("again", "sell", "1", "111.0", options=OrderOptions(replaces=name))
    assert reasons(counted) == {"new": words, "again": words}


def test_an_edit_does_not_change_the_side(counted: Bench) -> None:
    counted.order("old", "buy", "1", "100.0")
    edit(counted, "1", "101.0", "sell")
    assert reasons(counted) == {"new": "an edit changes neither the pair nor the side"}


def test_what_waits_for_its_time_is_not_edited(counted: Bench) -> None:
    starts_ns = counted.exchange.now_ns + 5
    counted.order("old", "buy", "1", "100.0", options=OrderOptions(starts_at_ns=starts_ns))
    edit(counted, "1", "99.0")
    assert (reasons(counted), list(counted.exchange.orders)) == ({"new": "no open order is called old"}, ["old"])


# -- what a fill opens ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [FeedState.SYNCED, FeedState.STALE])
def test_what_a_fill_opens_waits_behind_nobody_knows_whom_where_nothing_is_matched(
    counted: Bench, state: FeedState
) -> None:
    """The book shows 3 at 110."""
    counted.book(asks="110.0x3", at=SECOND_NS + 2)
    counted.order("o", "buy", "1", "100.0", options=OrderOptions(close=Limit(D("110.0"))))
    counted.exchange.on_event(FeedStatus(SYMBOL, SECOND_NS + 3, SECOND_NS + 3, state, "silent"))
    counted.trade("sell", "9", "99.9", at=SECOND_NS + 4)
    counted.exchange.run_through(SECOND_NS + 4)
    [order] = counted.exchange.orders.values()
    ahead = 3 * 10**8 if state is FeedState.SYNCED else UNKNOWN_AHEAD
    assert (order.ahead, order.ahead_before, order.ahead_at_arrival) == (ahead, ahead, ahead)
    assert (order.status, order.opened_ns, order.arrived_ns) == (OrderStatus.OPEN, SECOND_NS + 4, SECOND_NS + 4)
    assert counted.market.resting.best[ASK] == 1100
    assert order.stands_ns == SECOND_NS + 4
    # It costs nothing, but counts among the open ones.
    assert (counted.held("BTC"), open_count(counted)) == ("1", 1)


def test_on_a_tape_what_takes_nothing_and_is_for_at_once_ends(bench: Callable[..., Bench]) -> None:
    b = bench(depth=MarketDepth.TAPE)
    b.trade("sell", "1", "100.0")
    b.order("o", "buy", "1", "99.0", time_in_force=TimeInForce.IOC)
    assert b.ends("o") == "cancelled: immediate or cancel: the rest could not be filled at once"
    b.order("p", "buy", "1", "99.0")
    assert b.ends("p") == "open"
