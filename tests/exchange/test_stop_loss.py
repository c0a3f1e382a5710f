"""Stop-loss orders: market orders once the last trade reaches the trigger. Bid 100.0 x 5, asks 100.1 and 100.2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from triplegain.domain.exchange_events import OrderFilled


@pytest.mark.parametrize(
    ("side", "trigger", "trade", "triggered"),
    [
        ("sell", "99.0", "99.1", False),
        ("sell", "99.0", "99.0", True),
        ("sell", "99.0", "98.0", True),
        ("buy", "101.0", "100.9", False),
        ("buy", "101.0", "101.0", True),
        ("buy", "101.0", "102.0", True),
    ],
)
def test_the_last_trade_triggers_in_the_unfavourable_direction(
    usual: Any, side: str, trigger: str, trade: str, triggered: bool
) -> None:
    usual.book(bids="90.0x9", asks="110.0x9")
    usual.stop("stop", side, "1", trigger)
    usual.trade("sell" if side == "sell" else "buy", "0.1", trade)
    assert usual.ends("stop") == ("filled" if triggered else "open")


def test_a_trade_of_either_side_is_the_last_trade(usual: Any) -> None:
    usual.stop("stop", "sell", "1", "100.1")
    usual.trade("buy", "0.1", "100.1")
    assert usual.fills() == ["1 @ 100 taker"]


def test_a_stop_whose_trigger_was_passed_already_goes_at_once(usual: Any) -> None:
    usual.trade("sell", "0.1", "100.0")
    usual.stop("stop", "sell", "1", "100.5")
    assert usual.ends("stop") == "filled"


def test_quotes_never_trigger_a_purchase_either(usual: Any) -> None:
    usual.stop("stop", "buy", "1", "100.2")
    usual.book(asks="100.1x0 100.2x0 103.0x5")
    assert usual.ends("stop") == "open"


def test_a_stop_purchase_that_gaps_buys_what_the_account_can_pay(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "101.404", "BTC": "0"})
    b.book(bids="100.0x5", asks="100.1x5 110.0x5", snapshot=True)
    b.stop("stop", "buy", "1", "101.0")
    assert b.held("USDT") == "101.404"  # 101 x 1.004
    b.trade("buy", "0.1", "110.0")
    # 101.404 / (110 x 1.004) = 0.918181..; 0.91818181 x 110 = 100.9999991, up to 101, fee 0.404 rounded up
    assert b.fills() == ["0.91818181 @ 110 taker"]
    assert b.ends("stop") == "cancelled: the funds do not cover the price at which it would fill"
    assert (b.total("USDT"), b.held("USDT")) == ("0", "0")


def test_a_stop_draws_on_free_funds_beyond_its_hold(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "200", "BTC": "0"})
    b.book(bids="100.0x5", asks="100.1x5 110.0x5", snapshot=True)
    b.stop("stop", "buy", "1", "101.0")
    b.trade("buy", "0.1", "110.0")
    assert b.fills() == ["1 @ 110 taker"]
    assert b.total("USDT") == "89.56"  # 200 - 110 - 0.44


def test_a_stop_never_touches_what_other_orders_hold(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "201.804", "BTC": "0"})
    b.book(bids="100.0x5", asks="100.1x5 110.0x5", snapshot=True)
    b.order("bid", "buy", "1", "100.0")  # holds 100.4
    b.stop("stop", "buy", "1", "101.0")  # holds the other 101.404
    b.trade("buy", "0.1", "110.0")
    assert b.fills() == ["0.91818181 @ 110 taker"]
    assert b.held("USDT") == "100.4"


def test_several_stops_go_in_the_order_they_came(usual: Any) -> None:
    usual.book(bids="99.0x1.5 95.0x9")
    usual.stop("first", "sell", "1", "99.0")
    usual.stop("second", "sell", "1", "99.5")
    usual.book(bids="100.0x0")
    usual.trade("sell", "0.5", "99.0")  # 1.0 of the 1.5 at 99.0 is left
    assert usual.fills("first") == ["1 @ 99 taker"]
    assert usual.fills("second") == ["1 @ 95 taker"]


def test_a_stop_into_an_empty_book_is_cancelled_and_says_so(usual: Any) -> None:
    usual.stop("stop", "sell", "1", "99.0")
    usual.book(bids="100.0x0")
    usual.trade("sell", "0.5", "99.0")
    assert usual.ends("stop") == "cancelled: no more visible liquidity"
    assert usual.held("BTC") == "0"


def test_the_trigger_can_be_amended(usual: Any) -> None:
    usual.stop("stop", "sell", "1", "99.0")
    usual.amend("stop", price="95.0")
    usual.trade("sell", "0.1", "98.0")
    assert usual.ends("stop") == "open"
    usual.book(bids="98.0x5")
    usual.amend("stop", price="98.5")  # passed already
    assert usual.ends("stop") == "filled"


def test_a_cancelled_stop_is_gone(usual: Any) -> None:
    usual.stop("stop", "sell", "1", "99.0")
    assert usual.held("BTC") == "1"
    usual.cancel("stop")
    usual.trade("sell", "0.1", "98.0")
    assert (usual.fills(), usual.held("BTC")) == ([], "0")


@pytest.mark.parametrize(("side", "trigger", "trade"), [("sell", "99", "98.0"), ("buy", "101", "102")])
def test_what_a_stop_cost_is_measured_from_its_trigger_and_not_from_where_the_market_was_when_it_was_sent(
    usual: Any, side: str, trigger: str, trade: str
) -> None:
    usual.stop("stop", side, "1", trigger)
    usual.book(bids="100.0x0 90.0x9", asks="100.1x0 100.2x0 110.0x9")
    usual.trade("sell" if side == "sell" else "buy", "0.1", trade)
    assert len(usual.fills()) == 1
    [shortfall] = [fill.explanation["shortfall"] for fill in usual.events if isinstance(fill, OrderFilled)]
    # Sold at 90 with the trigger at 99, bought at 110 with it at 101: 9 either way, and the fee beside it. The middle
    # was 100, 1 better than the trigger, and half the spread 10.
    assert (shortfall["delay"], shortfall["spread"], shortfall["impact"]) == ("-1", "10", "0")
