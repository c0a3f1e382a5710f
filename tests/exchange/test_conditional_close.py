"""Conditional close: each fill of the first order opens one of its own on the other side.

Kraken's example (support article 360038640052, "Conditional Close"): "As soon as the limit order to buy 0.8 BTC/USD at
$6,000 executes, the Conditional Close order to sell 0.8 BTC/USD with a Stop Loss order at a stop price of $5,800 would
be placed." The other cases are worked here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.exchange_events import OrderSubmitted
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.orders import FeePreference, Limit, Market, OrderOptions, OrderTerms, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import Iceberg, MarketByCost, StopLossLimit, TakeProfitLimit, TrailingStop
from triplegain.exchange.settings import AccountTier, ExchangeSettings

AMEND, CLOSE = "EGeneral:Invalid arguments:amend", "EGeneral:Invalid arguments:close"


def closing(terms: OrderTerms) -> OrderOptions:
    return OrderOptions(close=terms)


def opened(bench: Any) -> list[str]:
    """`"tg-close-1-1 sell 0.8 stop-loss 5800"` of each order that a fill has opened."""
    sent = [event.request for event in bench.drain() if isinstance(event, OrderSubmitted)]
    return [
        f"{each.client_order_id} {each.side} {each.quantity} {each.terms.kind} {each.terms.price}"
        for each in sent
        if each.options.closes is not None
    ]


def test_krakens_example(bench: Callable[..., Any]) -> None:
    b = bench({"USD": "0", "USDT": "10000", "BTC": "0"})
    b.book(bids="6000.0x1", asks="6010.0x1", snapshot=True)
    b.order("first", "buy", "0.8", "6000.0", options=closing(StopLoss(Decimal("5800.0"))))
    assert opened(b) == []
    b.trade("sell", "1.8", "6000.0")  # 1.0 in front, 0.8 is ours
    assert opened(b) == ["tg-close-1-1 sell 0.8 stop-loss 5800.0"]
    assert (b.ends("first"), b.ends("tg-close-1-1"), b.held("BTC")) == ("filled", "open", "0.8")
    b.book(bids="6000.0x0 5790.0x2", asks="6010.0x0 5800.0x1")
    b.trade("sell", "0.1", "5800.0")  # the last trade is at the trigger
    assert b.fills("tg-close-1-1") == ["0.8 @ 5790 taker"]


def test_each_fill_opens_one_for_what_it_filled(usual: Any) -> None:
    # The book of `usual`: 1.0 at 100.1 and 10.0 at 100.2.
    usual.order("first", "buy", "3", None, options=closing(Limit(Decimal("110.0"))))
    assert usual.fills("first") == ["1 @ 100.1 taker", "2 @ 100.2 taker"]
    assert opened(usual) == [
        "tg-close-1-1 sell 1 limit 110.0",
        "tg-close-1-2 sell 2 limit 110.0",
    ]
    assert usual.held("BTC") == "3"


def test_the_coins_of_the_fill_are_held_before_anything_else_of_that_moment(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "1000", "BTC": "0"})
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True)
    b.now += 1
    b.exchange.run_through(b.now)
    b.order("first", "buy", "1", "100.0", options=closing(Limit(Decimal("110.0"))))
    # A sale that arrives at the very moment of the fill comes after the order that the fill opens.
    b.exchange.place(b.request("late", "sell", "1", "109.0"))
    b.trade("sell", "6", "100.0", at=b.now)
    assert b.ends("late") == "rejected: EOrder:Insufficient funds"
    assert b.ends("tg-close-1-1") == "open"


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        ("0.004", "120.0", "EOrder:Cost minimum not met"),  # 0.004 x 120.0 = 0.48 < 0.5
        ("0.00004", "120.0", "EOrder:Order minimum not met"),  # 0.00004 < 0.00005
    ],
)
def test_what_is_below_a_minimum_is_told_and_not_sent(usual: Any, quantity: str, price: str, code: str) -> None:
    usual.order("first", "buy", "1", "100.0", options=closing(Limit(Decimal(price))))
    usual.trade("sell", str(Decimal(5) + Decimal(quantity)), "100.0")
    assert usual.fills("first") == [f"{quantity} @ 100 maker"]
    assert usual.ends("tg-close-1-1") == f"rejected: {code}"
    assert usual.held("BTC") == "0"


def test_a_closing_limit_that_is_reached_takes_at_once(usual: Any) -> None:
    usual.order("first", "buy", "1", "100.1", options=closing(Limit(Decimal("99.5"))))
    assert usual.fills() == ["1 @ 100.1 taker", "1 @ 100 taker"]
    assert usual.ends("tg-close-1-1") == "filled"


def test_a_sale_is_closed_by_a_purchase(usual: Any) -> None:
    usual.order("first", "sell", "2", None, options=closing(Limit(Decimal("99.0"))))
    assert usual.fills("first") == ["2 @ 100 taker"]
    assert opened(usual) == ["tg-close-1-1 buy 2 limit 99.0"]
    assert usual.held("USDT") == "198.792"  # 2 x 99.0 x 1.004


def test_an_opened_order_lives_on_its_own(usual: Any) -> None:
    usual.order("first", "buy", "6", "100.0", options=closing(Limit(Decimal("110.0"))))
    usual.trade("sell", "6", "100.0")  # 1.0 of it is ours
    usual.cancel("first")
    assert (usual.ends("first"), usual.ends("tg-close-1-1")) == ("cancelled: User requested", "open")
    usual.cancel("tg-close-1-1")
    assert usual.ends("tg-close-1-1") == "cancelled: User requested"


@pytest.mark.parametrize(
    ("close", "stands"),
    [
        (TakeProfitLimit(Decimal("110.0"), Decimal("109.0")), "trigger 110"),
        (TrailingStop(Offset(Sign.PLUS, Decimal(2), percent=True)), "trigger 98"),  # 100.0 less 2 %
    ],
)
def test_it_may_be_of_any_type_that_waits(usual: Any, close: OrderTerms, stands: str) -> None:
    usual.trade("sell", "0.1", "100.0")
    usual.order("first", "buy", "1", "100.1", options=closing(close))
    standing = usual.exchange.orders["tg-close-1-1"].standing()
    assert f"trigger {standing.trigger}" == stands


PLUS, MINUS, AHEAD = Sign.PLUS, Sign.MINUS, Sign.AHEAD


def away(sign: Sign, amount: str, percent: bool = False) -> Offset:
    return Offset(sign, Decimal(amount), percent)


@pytest.mark.parametrize(
    ("close", "first", "second"),
    [
        # The fills are at 100.1 and 100.2, though the last trade of the tape is at 99.5.
        (Limit(away(PLUS, "5")), "105.1", "105.2"),
        (Limit(away(AHEAD, "5")), "105.1", "105.2"),  # a sale's limit lies above
        (StopLoss(away(MINUS, "2", percent=True)), "98", "98.1"),  # 98.098 and 98.196: fires no earlier
        (StopLoss(away(AHEAD, "3")), "97.1", "97.2"),
        (StopLossLimit(Decimal("95.0"), away(MINUS, "6")), "95 94.1", "95 94.2"),
    ],
)
def test_relative_prices_go_by_the_fill(usual: Any, close: OrderTerms, first: str, second: str) -> None:
    usual.trade("sell", "0.1", "99.5")
    usual.order("first", "buy", "3", "100.2", options=closing(close))
    assert usual.fills("first") == ["1 @ 100.1 taker", "2 @ 100.2 taker"]
    stand = [usual.exchange.orders[f"tg-close-1-{number}"].standing() for number in (1, 2)]
    assert [f"{each.trigger or ''} {each.limit or ''}".strip() for each in stand] == [first, second]


def test_a_relative_price_needs_no_trade_before_the_fill(usual: Any) -> None:
    assert usual.market.last is None
    usual.order("first", "buy", "1", None, options=closing(Limit(away(PLUS, "1", percent=True))))
    assert usual.exchange.orders["tg-close-1-1"].price == 1012  # 100.1 x 1.01 = 101.101, up to the tick of a sale


def test_what_closes_a_purchase_with_a_fee_in_coins_is_what_came(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "1000", "BTC": "0"})
    b.book(bids="100.0x5", asks="100.1x1 100.2x5", snapshot=True)
    options = OrderOptions(close=Limit(Decimal("110.0")), fee_preference=FeePreference.BASE)
    b.order("first", "buy", "3", "100.2", options=options)
    # 0.4 % of 1 and of 2 BTC stay with the exchange.
    assert opened(b) == ["tg-close-1-1 sell 0.996 limit 110.0", "tg-close-1-2 sell 1.992 limit 110.0"]
    assert (b.total("BTC"), b.held("BTC")) == ("2.988", "2.988")


def test_neither_of_the_two_can_be_amended(usual: Any) -> None:
    usual.order("first", "buy", "6", "100.0", options=closing(Limit(Decimal("110.0"))))
    usual.trade("sell", "6", "100.0")
    usual.amend("first", price="99.0")
    usual.amend("tg-close-1-1", price="111.0")
    assert (usual.refused("first"), usual.refused("tg-close-1-1")) == ([AMEND], [AMEND])


@pytest.mark.parametrize(
    ("close", "code"),
    [
        (Market(), CLOSE),
        (Limit(Decimal("110.0"), post_only=True), CLOSE),
        (MarketByCost(Decimal(100)), CLOSE),
        (Iceberg(Decimal("110.0"), Decimal(1)), CLOSE),
        (Limit(Offset(Sign.MINUS, Decimal(100))), "EGeneral:Invalid arguments:price"),  # 100.0 - 100 = 0
        (Limit(Decimal("110.05")), "EOrder:Tick size check failed"),
        (StopLossLimit(Decimal("95.0"), Decimal("94.05")), "EOrder:Tick size check failed"),
        (StopLoss(Decimal("-1")), "EGeneral:Invalid arguments:price"),
    ],
)
def test_terms_that_cannot_close_refuse_the_first_order(usual: Any, close: OrderTerms, code: str) -> None:
    usual.order("first", "buy", "1", "100.0", options=closing(close))
    assert (usual.ends("first"), usual.held("USDT")) == (f"rejected: {code}", "0")


def test_a_fill_that_nobody_saw_opens_its_order_all_the_same(usual: Any) -> None:
    """A trade through the limit while the book is unseen fills it; the closing order waits with an unknown queue."""
    usual.order("first", "buy", "1", "100.0", options=closing(Limit(Decimal("101.0"))))
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, FeedState.GAP, "a gap"))
    usual.trade("sell", "1", "99.0", at=11)
    assert (usual.ends("first"), usual.ends("tg-close-1-1")) == ("filled", "open")
    usual.trade("buy", "0.5", "101.0", at=12)  # at its price: who was in front nobody knows
    assert usual.fills("tg-close-1-1") == []
    usual.trade("buy", "0.5", "101.1", at=13)
    assert usual.fills("tg-close-1-1") == ["0.5 @ 101 maker"]


def test_of_a_refused_order_nothing_is_opened(usual: Any) -> None:
    usual.order("first", "buy", "100000", "100.0", options=closing(Limit(Decimal("110.0"))))
    assert (usual.ends("first"), opened(usual)) == ("rejected: EOrder:Insufficient funds", [])


def test_opened_orders_cost_nothing_of_the_rate_and_count_as_open(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, cancel_delay_ns=0, account_tier=AccountTier.STARTER))
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=10**9)
    b.order("first", "buy", "1", "100.1", options=closing(Limit(Decimal("110.0"))))
    assert b.market.rate.value == 1000
    b.order("second", "buy", "1", "99.0")
    assert b.market.rate.value == 2000


def test_a_closing_stop_that_the_last_trade_has_reached_when_nobody_saw_it_fires_with_the_book(usual: Any) -> None:
    """The trade at 99.0 fills the bid and is at the trigger already; the book that comes shows 98.0."""
    usual.order("first", "buy", "1", "100.0", options=closing(StopLoss(Decimal("99.0"))))
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, FeedState.GAP, "a gap"))
    usual.trade("sell", "1", "99.0", at=11)
    assert usual.fills() == ["1 @ 100 maker"]
    usual.book(bids="98.0x5", asks="98.1x5", snapshot=True, at=12)
    assert usual.fills("tg-close-1-1") == ["1 @ 98 taker"]
