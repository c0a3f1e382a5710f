"""A rebalance under way: claimed once, sales before purchases, nothing half done, nothing caught up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.session.stored_parts import kept, rows_of, taken_up

from triplegain.agents.rebalance import RebalanceMode
from triplegain.decision.rebalance.book import RebalanceBook, RebalanceClaim, RebalanceOrder
from triplegain.decision.rebalance.plan import PlanLeg, RebalancePlan, RebalanceSettings
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.orders import Limit, Market, Side, TimeInForce
from triplegain.domain.proposal import Intent
from triplegain.domain.quote import Quote, QuoteSource
from triplegain.domain.storable import encode
from triplegain.domain.verdict import RiskApproved

NOW_NS = 1_700_000_000 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
SETTINGS = RebalanceSettings()
LIMITS, IMMEDIATE, DCA = RebalanceMode.LIMIT_ORDERS, RebalanceMode.IMMEDIATE, RebalanceMode.DCA_24H
RICH = {"BTC": Decimal(10), "XRP": Decimal(100_000), "USDT": Decimal(100_000)}


def quotes(btc: tuple[str, str] = ("49990", "50010"), xrp: tuple[str, str] = ("0.5", "0.5")) -> dict[str, Quote | None]:
    return {
        symbol: Quote(symbol, Decimal(bid), Decimal(ask), None, None, None, NOW_NS, NOW_NS, QuoteSource.REPLAY)
        for symbol, (bid, ask) in (("BTC/USDT", btc), ("XRP/USDT", xrp))
    }


def leg(side: Side, symbol: str, quantity: str, notional: str) -> PlanLeg:
    return PlanLeg(symbol, side, Decimal(quantity), Decimal(notional))


SELL_BTC = leg(Side.SELL, "BTC/USDT", "0.006", "298.74024")
BUY_XRP = leg(Side.BUY, "XRP/USDT", "600", "301.2")


def a_plan(
    sells: tuple[PlanLeg, ...] = (SELL_BTC,), buys: tuple[PlanLeg, ...] = (BUY_XRP,), moved: str = "300"
) -> RebalancePlan:
    return RebalancePlan(NOW_NS, Decimal(3000), Decimal(moved), {}, sells, buys)


def a_book() -> RebalanceBook:
    return RebalanceBook(KRAKEN_OFFLINE_DEFAULTS, SETTINGS)


@pytest.fixture
def book() -> RebalanceBook:
    return a_book()


def claimed(
    book: RebalanceBook, now_ns: int = NOW_NS, holdings: dict[str, Decimal] = RICH, **given: Any
) -> RebalanceClaim:
    return book.claim(now_ns, holdings, given.get("quotes", quotes()), blocked=given.get("blocked", ""))


def names(claim: RebalanceClaim) -> list[tuple[str, str, Decimal]]:
    return [(order.leg.side.value, order.leg.symbol, order.leg.quantity) for order in claim.orders]


def fill(book: RebalanceBook, claim: RebalanceClaim, share: str = "1") -> None:
    for order in claim.orders:
        book.finished(order.client_order_id, order.leg.quantity * Decimal(share))


def restarted(book: RebalanceBook) -> RebalanceBook:
    other = taken_up(kept(book), a_book())
    assert rows_of(other) == rows_of(book)
    return other


def test_sales_go_first_and_purchases_follow_when_they_are_over(book: RebalanceBook) -> None:
    book.begin(a_plan(), LIMITS, NOW_NS)
    first = claimed(book)
    assert names(first) == [("sell", "BTC/USDT", Decimal("0.006"))]
    assert names(claimed(book)) == [], "its sale is still out"
    fill(book, first)
    second = claimed(book)
    # What 301.2 USDT may buy at 0.5 with the fee of 0.4 %, as far as the sale paid for it: it brought
    # 0.006 x 49 990 x 0.996 = 298.74024, and 301.2 - 298.74024 were to come out of cash. All of it.
    assert names(second) == [("buy", "XRP/USDT", Decimal("600"))]
    fill(book, second)
    assert not book.is_active
    assert claimed(book, NOW_NS + HOUR_NS) == RebalanceClaim()


@pytest.mark.parametrize(
    ("filled", "quantity"),
    [
        # The sale brought 298.74024 or half of that; 2.45976 were to come out of cash.
        ("1", "600"),
        # (2.45976 + 149.37012) / 0.502 = 302.44996..
        ("0.5", "302.44996015"),
        # (2.45976 + 14.937012) / 0.502 = 34.6549..
        ("0.05", "34.65492430"),
    ],
)
def test_what_was_not_sold_is_not_spent(book: RebalanceBook, filled: str, quantity: str) -> None:
    book.begin(a_plan(), LIMITS, NOW_NS)
    fill(book, claimed(book), filled)
    assert names(claimed(book)) == [("buy", "XRP/USDT", Decimal(quantity))]


def test_a_sale_that_found_nobody_leaves_its_purchase_out(book: RebalanceBook) -> None:
    book.begin(a_plan(), LIMITS, NOW_NS)
    fill(book, claimed(book), "0")
    claim = claimed(book)
    # 2.45976 USDT of cash buy 4.8 XRP.
    assert claim.orders == ()
    assert claim.dropped == ("a purchase of batch 1 is left out: 4.89992031 XRP is below the exchange's minimum 10",)
    assert not book.is_active


def test_a_batch_goes_as_a_whole_or_not_at_all(book: RebalanceBook) -> None:
    # Its purchase would be too small for the exchange, so its sale is not sent either.
    book.begin(a_plan(buys=(leg(Side.BUY, "XRP/USDT", "9.9", "4.9698"),)), LIMITS, NOW_NS)
    claim = claimed(book)
    assert claim.orders == ()
    assert claim.dropped == ("batch 1 is not sent: 9.9 XRP is below the exchange's minimum 10",)
    assert not book.is_active


@pytest.mark.parametrize(
    ("holdings", "given", "said"),
    [
        ({**RICH, "BTC": Decimal("0.00001")}, {}, "0.00001 BTC is below"),
        (RICH, {"quotes": {**quotes(), "XRP/USDT": None}}, "no fresh price of XRP/USDT"),
    ],
)
def test_a_batch_that_has_become_impossible_is_dropped_with_its_reason(
    book: RebalanceBook, holdings: dict[str, Decimal], given: dict[str, Any], said: str
) -> None:
    book.begin(a_plan(), LIMITS, NOW_NS)
    claim = claimed(book, holdings=holdings, **given)
    assert claim.orders == ()
    assert said in claim.dropped[0]


def test_no_more_is_sold_than_is_free_now(book: RebalanceBook) -> None:
    book.begin(a_plan(), LIMITS, NOW_NS)
    assert names(claimed(book, holdings={**RICH, "BTC": Decimal("0.004")})) == [("sell", "BTC/USDT", Decimal("0.004"))]


@pytest.mark.parametrize(
    ("xrp", "cash", "quantity"),
    [
        # Dearer than planned: 301.2 / (0.6 x 1.004) = 500.
        (("0.6", "0.6"), "100000", "500"),
        # Cheaper: no more than was planned.
        (("0.4", "0.4"), "100000", "600"),
        # Less cash than planned: 100.4 / 0.502 = 200.
        (("0.5", "0.5"), "100.4", "200"),
    ],
)
def test_a_purchase_is_no_more_than_planned_in_coins_or_in_money(
    book: RebalanceBook, xrp: tuple[str, str], cash: str, quantity: str
) -> None:
    book.begin(a_plan(sells=()), IMMEDIATE, NOW_NS)
    claim = claimed(book, holdings={"USDT": Decimal(cash)}, quotes=quotes(xrp=xrp))
    assert names(claim) == [("buy", "XRP/USDT", Decimal(quantity))]


def test_limit_orders_rest_at_the_best_price_of_their_side_and_make_room_for_each_other(book: RebalanceBook) -> None:
    book.begin(a_plan(), LIMITS, NOW_NS)
    first = claimed(book)
    fill(book, first)
    (sale,), (purchase,) = first.orders, claimed(book).orders
    assert (sale.terms, sale.expires_at_ns) == (Limit(Decimal("50010")), NOW_NS + 2 * HOUR_NS)
    assert (purchase.terms, purchase.expires_at_ns) == (Limit(Decimal("0.5")), NOW_NS + 4 * HOUR_NS)
    assert sale.proposal.intent is Intent.REBALANCE
    smaller = RiskApproved(replace(sale.proposal, quantity=Decimal("0.005")))
    request = sale.request(smaller)
    assert (request.client_order_id, request.quantity, request.purpose) == (
        "tg-rb-1-0-0",
        Decimal("0.005"),
        "rebalance",
    )
    assert (request.time_in_force, request.expires_at_ns) == (TimeInForce.GTD, NOW_NS + 2 * HOUR_NS)


@pytest.mark.parametrize("mode", [IMMEDIATE, DCA])
def test_the_other_modes_send_market_orders(book: RebalanceBook, mode: RebalanceMode) -> None:
    book.begin(a_plan(), mode, NOW_NS)
    (order,) = claimed(book).orders
    assert order.terms == Market()
    request = order.request(RiskApproved(order.proposal))
    assert (request.time_in_force, request.expires_at_ns) == (TimeInForce.GTC, None)


def test_a_split_rebalance_takes_its_batches_in_time_each_with_its_own_ids(book: RebalanceBook) -> None:
    book.begin(a_plan(sells=(), buys=(leg(Side.BUY, "XRP/USDT", "1200", "602.4"),), moved="600"), IMMEDIATE, NOW_NS)
    ids = []
    for hour in range(24):
        claim = claimed(book, NOW_NS + hour * HOUR_NS)
        assert names(claim) == ([("buy", "XRP/USDT", Decimal(200))] if hour % 4 == 0 else [])
        ids += [order.client_order_id for order in claim.orders]
        fill(book, claim)
        book = restarted(book)
    assert ids == [f"tg-rb-1-{number}-1" for number in range(6)]
    assert not book.is_active


def test_after_a_restart_nothing_is_claimed_twice_and_what_was_claimed_is_known(book: RebalanceBook) -> None:
    book.begin(a_plan(), LIMITS, NOW_NS)
    first = claimed(book)
    book = restarted(book)
    assert book.open_orders == first.orders
    assert claimed(book) == RebalanceClaim()
    fill(book, first)
    fill(book, first)
    book = restarted(book)
    second = claimed(book)
    assert names(second) == [("buy", "XRP/USDT", Decimal("600"))]
    assert claimed(restarted(book)) == RebalanceClaim()


def test_while_trading_is_blocked_nothing_is_claimed_and_what_was_due_meanwhile_is_dropped(book: RebalanceBook) -> None:
    book.begin(a_plan(sells=(), buys=(leg(Side.BUY, "XRP/USDT", "1200", "602.4"),), moved="600"), IMMEDIATE, NOW_NS)
    assert claimed(book, blocked="paused") == RebalanceClaim()
    assert claimed(book, NOW_NS + 3 * HOUR_NS, blocked="paused") == RebalanceClaim()
    # Back after nine hours: the batches of 0 and 4 hours are past, the one of 8 hours goes, and no burst follows.
    claim = claimed(book, NOW_NS + 9 * HOUR_NS)
    assert claim.dropped == ("batch 1 could not be sent in time", "batch 2 could not be sent in time")
    assert [order.client_order_id for order in claim.orders] == ["tg-rb-1-2-1"]
    fill(book, claim)
    assert claimed(book, NOW_NS + 9 * HOUR_NS) == RebalanceClaim()
    assert book.next_due_ns == NOW_NS + 12 * HOUR_NS


def test_purchases_held_up_until_their_time_is_over_are_dropped(book: RebalanceBook) -> None:
    book.begin(a_plan(), LIMITS, NOW_NS)
    fill(book, claimed(book))
    assert claimed(book, NOW_NS + 4 * HOUR_NS - 1, blocked="halted") == RebalanceClaim()
    assert claimed(book, NOW_NS + 4 * HOUR_NS, blocked="halted").dropped == (
        "the purchases of batch 1 could not be sent in time",
    )
    assert not book.is_active


def test_what_risk_refuses_takes_the_rest_of_its_batch_with_it(book: RebalanceBook) -> None:
    book.begin(a_plan(), LIMITS, NOW_NS)
    claim = claimed(book)
    assert book.refuse_all(claim.orders, ["trading is halted"]) == "batch 1 is not sent: trading is halted"
    assert (book.is_active, claimed(book)) == (False, RebalanceClaim())


def test_a_refused_purchase_gives_its_money_back_to_the_plan(book: RebalanceBook) -> None:
    # 0.06 BTC for 6000 XRP, in six batches. The first sale fills and its purchase is refused; the second sale finds
    # nobody, but its purchase of 1000 XRP can be paid for with what the first one brought.
    sale, purchase = leg(Side.SELL, "BTC/USDT", "0.06", "3012"), leg(Side.BUY, "XRP/USDT", "6000", "3012")
    book.begin(a_plan((sale,), (purchase,), "3000"), DCA, NOW_NS)
    fill(book, claimed(book, quotes=quotes(btc=("50500", "50500"))))
    book.refuse_all(claimed(book).orders, ["no"])
    fill(book, claimed(book, NOW_NS + 4 * HOUR_NS), "0")
    assert names(claimed(book, NOW_NS + 4 * HOUR_NS)) == [("buy", "XRP/USDT", Decimal(1000))]


def test_giving_up_leaves_only_what_is_out(book: RebalanceBook) -> None:
    book.begin(a_plan(sells=(), buys=(leg(Side.BUY, "XRP/USDT", "1200", "602.4"),), moved="600"), IMMEDIATE, NOW_NS)
    claim = claimed(book)
    assert book.cancel("emergency") == ("5 batches are given up: emergency",)
    assert book.is_active
    fill(book, claim)
    assert (book.is_active, book.cancel("again")) == (False, ())


def test_two_rebalances_are_a_day_apart(book: RebalanceBook) -> None:
    assert book.objection(NOW_NS) == ""
    book.begin(a_plan(), IMMEDIATE, NOW_NS)
    assert book.objection(NOW_NS + 48 * HOUR_NS) == "a rebalance is under way"
    fill(book, claimed(book))
    fill(book, claimed(book))
    book = restarted(book)
    assert "less than 24 hours ago" in book.objection(NOW_NS + 24 * HOUR_NS - 1)
    with pytest.raises(InvalidValueError, match="24 hours"):
        book.begin(a_plan(), IMMEDIATE, NOW_NS + 24 * HOUR_NS - 1)
    assert book.objection(NOW_NS + 24 * HOUR_NS) == ""
    book.begin(a_plan(), IMMEDIATE, NOW_NS + 24 * HOUR_NS)
    assert [o.client_order_id for o in claimed(book, NOW_NS + 24 * HOUR_NS).orders] == ["tg-rb-2-0-0"]


def test_to_defer_takes_nothing_on_and_the_next_check_may_ask_again(book: RebalanceBook) -> None:
    assert book.begin(a_plan(), RebalanceMode.DEFER, NOW_NS) == ()
    assert (book.is_active, book.objection(NOW_NS + 1)) == (False, "")


def test_it_says_when_it_has_something_to_say(book: RebalanceBook) -> None:
    never = book.next_due_ns
    book.begin(a_plan(), LIMITS, NOW_NS)
    assert book.next_due_ns == NOW_NS < never
    claim = claimed(book)
    assert book.next_due_ns == never
    fill(book, claim)
    assert book.next_due_ns <= NOW_NS
    fill(book, claimed(book))
    assert book.next_due_ns == never


def test_an_order_survives_being_stored() -> None:
    for terms in (Market(), Limit(Decimal("0.5"))):
        order = RebalanceOrder("tg-rb-1-0-1", 0, BUY_XRP, terms, NOW_NS)
        assert msgspec.json.decode(encode(order), type=RebalanceOrder) == order
