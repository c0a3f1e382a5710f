"""What an order may ask for beside its terms: deadline, start, reduce-only, and the question what would be said to it.

Kraken's pages name the fields and their ranges; the cases are worked here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.exchange.conftest import Bench
from tests.session.stored_parts import all_said

from triplegain.domain.clock import MILLISECOND_NS, SECOND_NS
from triplegain.domain.exchange_events import OrderPriced, OrderScheduled
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.money import text
from triplegain.domain.orders import Limit, Market, OrderOptions, OrderRequest, Side, TimeInForce
from triplegain.domain.price import Offset, Sign
from triplegain.exchange.settings import AccountTier, ExchangeSettings

START_NS = 1000 * SECOND_NS
DEADLINE, EXPIRY = "EGeneral:Invalid arguments:deadline", "EGeneral:Invalid arguments:expiretm"
ELAPSED = "EService:Deadline elapsed"


def rig(bench: Callable[..., Any], delay_ms: int = 0, tier: AccountTier = AccountTier.UNLIMITED) -> Any:
    delay_ns = delay_ms * MILLISECOND_NS
    settings = ExchangeSettings(
        place_delay_ns=delay_ns, cancel_delay_ns=delay_ns, response_delay_ns=0, account_tier=tier
    )
    b = bench(settings=settings)
    b.book(bids="100.0x5", asks="100.1x1 100.2x10", snapshot=True, at=START_NS)
    return b


def later(b: Any, ms: int) -> None:
    b.exchange.run_through(b.exchange.now_ns + ms * MILLISECOND_NS)


# -- deadline ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delay_ms", "deadline_ms", "end"),
    [
        (100, 500, "open"),
        (500, 500, "open"),  # at the deadline is in time
        (501, 500, f"rejected: {ELAPSED}"),
        (0, 499, f"rejected: {DEADLINE}"),
        (0, 60_000, "open"),
        (0, 60_001, f"rejected: {DEADLINE}"),
        (0, -1, f"rejected: {DEADLINE}"),
    ],
)
def test_an_order_must_have_arrived_by_its_deadline(
    bench: Callable[..., Any], delay_ms: int, deadline_ms: int, end: str
) -> None:
    b = rig(bench, delay_ms)
    b.order("x", "buy", "1", "99.0", options=OrderOptions(deadline_ns=START_NS + deadline_ms * MILLISECOND_NS))
    later(b, delay_ms)
    assert (b.ends("x"), b.fills()) == (end, [])


# -- start ---------------------------------------------------------------------------------------------------------


def scheduled(b: Any, name: str = "x", after_s: int = 60, **more: Any) -> None:
    options = OrderOptions(starts_at_ns=START_NS + after_s * SECOND_NS)
    b.order(name, "buy", "1", more.pop("terms", "100.0"), options=options, **more)


def test_a_scheduled_order_waits_holds_nothing_and_starts_at_its_moment(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    scheduled(b)
    [told] = [event for event in b.drain() if isinstance(event, OrderScheduled)]
    assert (told.starts_at_ns, b.held("USDT"), b.ends("x")) == (START_NS + 60 * SECOND_NS, "0", "open")
    b.trade("sell", "20", "99.0", at=START_NS + 59 * SECOND_NS)  # it is not there yet
    assert b.fills() == []
    b.book(bids="100.0x2", at=START_NS + 60 * SECOND_NS)
    assert b.held("USDT") == "100.4"  # 100.0 x 1.004
    b.trade("sell", "2.5", "100.0", at=START_NS + 61 * SECOND_NS)  # 2.0 were in front when it started
    assert b.fills() == ["0.5 @ 100 maker"]


@pytest.mark.parametrize("after_s", [0, -5])
def test_a_start_that_is_past_is_now(bench: Callable[..., Any], after_s: int) -> None:
    b = rig(bench)
    scheduled(b, after_s=after_s)
    assert b.held("USDT") == "100.4"


def test_the_funds_must_be_there_at_the_start(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    scheduled(b, "x")
    b.order("all", "buy", "9960", "100.0")  # 9960 x 100.4 = 999,984 of 1,000,000
    b.book(bids="100.0x2", at=START_NS + 60 * SECOND_NS)
    assert b.ends("x") == "rejected: EOrder:Insufficient funds"


def test_a_scheduled_order_can_be_cancelled_and_not_amended(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    scheduled(b)
    b.amend("x", price="99.0")
    b.cancel("x")
    assert b.refused("x") == ["EGeneral:Invalid arguments:amend"]
    assert b.ends("x") == "cancelled: User requested"
    assert b.exchange.agenda.waiting == {}  # nothing waits for its time any more
    b.book(bids="100.0x2", at=START_NS + 61 * SECOND_NS)
    assert (b.held("USDT"), b.exchange.orders) == ("0", {})


def test_what_is_wrong_with_it_is_said_at_once(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    scheduled(b, "tick", terms="100.05")
    gtd = TimeInForce.GTD
    scheduled(b, "over", time_in_force=gtd, expires_at_ns=START_NS + 60 * SECOND_NS)  # it would expire when it starts
    assert (b.ends("tick"), b.ends("over")) == ("rejected: EOrder:Tick size check failed", f"rejected: {EXPIRY}")


def test_post_only_is_judged_at_the_start(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    scheduled(b, "early", terms=Limit(Decimal("100.1"), post_only=True))
    scheduled(b, "taker", after_s=30, terms=Limit(Decimal("100.2"), post_only=True))
    b.book(asks="100.1x0", at=START_NS + 31 * SECOND_NS)
    b.book(bids="100.0x5", at=START_NS + 61 * SECOND_NS)
    assert (b.ends("early"), b.ends("taker")) == ("open", "rejected: EOrder:Post only order")


def test_its_date_counts_from_the_start_on(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    scheduled(b, time_in_force=TimeInForce.GTD, expires_at_ns=START_NS + 90 * SECOND_NS)
    b.book(bids="100.0x5", at=START_NS + 89 * SECOND_NS)
    assert b.ends("x") == "open"
    b.book(bids="100.0x5", at=START_NS + 91 * SECOND_NS)
    assert b.ends("x").startswith("expired")


def test_in_a_maintenance_it_starts_with_the_opening(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    scheduled(b)
    b.exchange.on_event(FeedStatus("BTC/USDT", START_NS + 1, START_NS + 1, FeedState.MAINTENANCE))
    b.book(bids="100.0x5", at=START_NS + 61 * SECOND_NS)
    assert (b.ends("x"), b.held("USDT")) == ("open", "0")
    b.exchange.on_event(FeedStatus("BTC/USDT", START_NS + 62 * SECOND_NS, 0, FeedState.SYNCED))
    assert b.held("USDT") == "100.4"


def test_it_starts_once_where_its_moment_is_that_of_the_opening(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    scheduled(b)
    for second, state in ((1, FeedState.MAINTENANCE), (60, FeedState.SYNCED)):
        moment_ns = START_NS + second * SECOND_NS
        b.exchange.on_event(FeedStatus("BTC/USDT", moment_ns, moment_ns, state))
    assert (b.ends("x"), b.held("USDT")) == ("open", "100.4")


def test_what_became_due_in_a_maintenance_starts_in_the_order_of_its_times(bench: Callable[..., Any]) -> None:
    """There is money for one of them: 9,960 at 100.0 and the fee are 999,984 of 1,000,000."""
    b = rig(bench)
    for name, after_s in (("sent first", 60), ("due first", 50)):
        options = OrderOptions(starts_at_ns=START_NS + after_s * SECOND_NS)
        b.order(name, "buy", "9960", "100.0", options=options)
    for second, state in ((1, FeedState.MAINTENANCE), (70, FeedState.SYNCED)):
        moment_ns = START_NS + second * SECOND_NS
        b.exchange.on_event(FeedStatus("BTC/USDT", moment_ns, moment_ns, state))
    assert (b.ends("due first"), b.ends("sent first")) == ("open", "rejected: EOrder:Insufficient funds")


def test_a_price_by_its_distance_goes_by_the_trade_before_the_start(bench: Callable[..., Any]) -> None:
    """100.0 when it is sent, 98.0 when it starts: 1 below."""
    b = rig(bench)
    b.trade("sell", "0.1", "100.0", at=START_NS + 1)
    scheduled(b, terms=Limit(Offset(Sign.MINUS, Decimal(1))))
    b.trade("sell", "0.1", "98.0", at=START_NS + 59 * SECOND_NS)
    b.book(bids="100.0x5", at=START_NS + 60 * SECOND_NS)
    assert [text(event.price) for event in b.drain() if isinstance(event, OrderPriced)] == ["97"]


@pytest.mark.parametrize("state", [FeedState.GAP, FeedState.CHECKSUM_MISMATCH, FeedState.STALE, FeedState.CROSSED])
def test_where_the_market_is_not_seen_it_starts_when_it_is_seen_again(
    bench: Callable[..., Any], state: FeedState
) -> None:
    b = rig(bench)
    scheduled(b, "limit")
    scheduled(b, "market", terms=Market())
    scheduled(b, "over", time_in_force=TimeInForce.GTD, expires_at_ns=START_NS + 70 * SECOND_NS)
    scheduled(b, "gone")
    b.exchange.on_event(FeedStatus("BTC/USDT", START_NS + 59 * SECOND_NS, 0, state))
    b.exchange.run_through(START_NS + 75 * SECOND_NS)
    assert {b.ends(name) for name in ("limit", "market", "over", "gone")} == {"open"}
    b.now = START_NS + 75 * SECOND_NS
    b.cancel("gone")  # what we do not see takes cancels all the same
    b.book(bids="100.3x1", asks="100.4x5", snapshot=True, at=START_NS + 80 * SECOND_NS)
    b.exchange.on_event(FeedStatus("BTC/USDT", START_NS + 80 * SECOND_NS, 0, FeedState.SYNCED))
    assert b.fills() == ["1 @ 100.4 taker"]  # at the book of then
    assert (b.ends("gone"), b.ends("over")) == ("cancelled: User requested", f"rejected: {EXPIRY}")
    assert b.held("USDT") == "100.4"


@pytest.mark.parametrize("state", [FeedState.CANCEL_ONLY, FeedState.POST_ONLY])
def test_where_its_mode_takes_no_such_orders_it_is_refused(bench: Callable[..., Any], state: FeedState) -> None:
    b = rig(bench)
    scheduled(b)
    b.exchange.on_event(FeedStatus("BTC/USDT", START_NS + 59 * SECOND_NS, 0, state))
    b.exchange.run_through(START_NS + 60 * SECOND_NS)
    assert b.ends("x") == f"rejected: EService:Market in {state.value} mode"


def test_scheduled_orders_count_among_the_open_ones(bench: Callable[..., Any]) -> None:
    b = rig(bench, tier=AccountTier.STARTER)
    for number in range(61):
        b.book(bids="100.0x5", at=START_NS + number * SECOND_NS)  # a second each: the counter stays low
        options = OrderOptions(starts_at_ns=START_NS + 3600 * SECOND_NS)
        b.order(f"o{number}", "buy", "0.01", "90.0", options=options)
    assert (b.ends("o59"), b.ends("o60")) == ("open", "rejected: EOrder:Scheduled orders limit exceeded")
    b.order("now", "buy", "0.01", "90.0")
    assert b.ends("now") == "rejected: EOrder:Orders limit exceeded"


# -- reduce-only ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_without_a_margin_position_there_is_nothing_to_reduce(bench: Callable[..., Any], side: str) -> None:
    b = rig(bench)
    b.order("x", side, "1", None, options=OrderOptions(reduce_only=True))
    assert (b.ends("x"), b.fills()) == ("rejected: EOrder:Reduce only:No position exists", [])


# -- validate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "price", "more", "code"),
    [
        ("1", "100.0", {}, None),
        ("1", "100.05", {}, "EOrder:Tick size check failed"),
        ("0.00001", "100.0", {}, "EOrder:Order minimum not met"),
        ("10000", "100.0", {}, "EOrder:Insufficient funds"),
        ("1", "100.0", {"options": OrderOptions(deadline_ns=1)}, DEADLINE),
    ],
)
def test_a_question_has_the_answer_of_the_order_and_leaves_nothing(
    bench: Callable[..., Any], quantity: str, price: str, more: dict[str, Any], code: str | None
) -> None:
    b = rig(bench, tier=AccountTier.STARTER)
    request = OrderRequest("x", "BTC/USDT", Side.BUY, Decimal(quantity), Limit(Decimal(price)))
    refusal = b.exchange.validate(msgspec.structs.replace(request, **more))
    assert (None if refusal is None else refusal.code) == code
    assert (b.drain(), b.held("USDT"), b.exchange.orders, b.exchange.order_count) == ([], "0", {}, 0)
    assert b.market.rate.value == 1000  # "this is always applied on receipt of the transaction" (Spot Trading Limits)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (OrderOptions(starts_at_ns=START_NS + SECOND_NS), None),  # its funds are looked at when it starts
        (OrderOptions(replaces="ghost"), "EOrder:Unknown order"),
        (OrderOptions(replaces="other"), None),  # what that one holds is free for it
    ],
)
def test_a_question_about_an_order_that_starts_later_or_takes_anothers_place(
    bench: Callable[..., Any], options: OrderOptions, code: str | None
) -> None:
    """9,960 at 100.0 and the fee are 999,984 of the 1,000,000, which another order holds."""
    b = rig(bench)
    b.order("other", "buy", "9960", "100.0")
    request = OrderRequest("x", "BTC/USDT", Side.BUY, Decimal(9960), Limit(Decimal("100.0")), options=options)
    refusal = b.exchange.validate(request)
    assert (None if refusal is None else refusal.code) == code


def test_a_question_about_a_pair_that_is_not_there(bench: Callable[..., Any]) -> None:
    refusal = rig(bench).exchange.validate(OrderRequest("x", "DOGE/USDT", Side.BUY, Decimal(1), Limit(Decimal(1))))
    assert refusal is not None and refusal.code == "EQuery:Unknown asset pair"


def test_an_order_with_leverage_under_way_ties_no_money(bench: Callable[..., Any]) -> None:
    """Nothing is lent here: it is refused when it arrives, and until then it is nothing. No trade has been told yet."""
    b = rig(bench, delay_ms=100)
    b.order("bid", "buy", "1", "100.0")
    later(b, 50)
    b.order("lent", "buy", "1", "100.0", leverage=2)
    later(b, 100)
    assert (b.ends("bid"), b.ends("lent")) == ("open", "rejected: EOrder:Margin allowance exceeded")


@pytest.mark.parametrize("state", [None, FeedState.MAINTENANCE])
def test_a_start_that_came_while_the_program_was_off_is_made_up_for_with_the_first_book(
    state: FeedState | None,
) -> None:
    stopped = Bench()
    stopped.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=10)
    stopped.order("late", "buy", "1", "99.0", options=OrderOptions(starts_at_ns=20))
    if state is not None:
        stopped.exchange.on_event(FeedStatus("BTC/USDT", 15, 0, state))
    b = Bench()
    b.parts.restore(all_said(stopped.parts))
    b.market.public.begin_away(26, "waiting for the order book")
    b.exchange.run_through(27)
    assert "late" in b.exchange.orders
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=30)
    assert b.ends("late") == "open"
    b.trade("sell", "1", "98.9", at=31)
    assert b.fills() == ["1 @ 99 maker"]


def test_a_stop_that_the_tape_has_gone_through_is_neither_taken_back_nor_changed(usual: Bench) -> None:
    usual.trade("sell", "1", "100.0")
    usual.stop("s", "sell", "1", "95.0")
    usual.exchange.on_event(FeedStatus("BTC/USDT", usual.now + 1, 0, FeedState.GAP))
    usual.trade("sell", "1", "94.0", at=usual.now + 2)
    usual.exchange.on_event(FeedStatus("BTC/USDT", usual.now + 1, 0, FeedState.REDUCE_ONLY))
    usual.amend("s", quantity="0.01")
    usual.cancel("s")
    assert usual.refused("s") == ["EService:Unavailable"] * 2
