"""Stop-loss-limit, take-profit and take-profit-limit.

Bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10 where nothing else is said; fee 0.4 %. Worked here unless a page is named.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.exchange_events import OrderFilled, OrderPriced, OrderTriggered
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.money import text
from triplegain.domain.orders import TimeInForce
from triplegain.domain.terms import OrderTerms, StopLossLimit, TakeProfit, TakeProfitLimit

D = Decimal


def told(b: Any) -> list[str]:
    """Triggers and prices that were told."""
    words = []
    for event in b.drain():
        if isinstance(event, OrderTriggered):
            words.append(f"triggered at {text(event.trigger)} by {text(event.last)}")
        elif isinstance(event, OrderPriced):
            words.append(f"stands at {text(event.price)}")
    return words


@pytest.mark.parametrize(
    ("side", "terms", "trade", "fires"),
    [
        # A stop-loss fires in the unfavourable direction ...
        ("sell", StopLossLimit(D("99.0"), D("98.0")), "99.1", False),
        ("sell", StopLossLimit(D("99.0"), D("98.0")), "99.0", True),
        ("buy", StopLossLimit(D("101.0"), D("102.0")), "100.9", False),
        ("buy", StopLossLimit(D("101.0"), D("102.0")), "101.0", True),
        # ... and a take-profit in the favourable one.
        ("sell", TakeProfit(D("101.0")), "100.9", False),
        ("sell", TakeProfit(D("101.0")), "101.0", True),
        ("sell", TakeProfit(D("101.0")), "105.0", True),
        ("buy", TakeProfit(D("99.0")), "99.1", False),
        ("buy", TakeProfit(D("99.0")), "99.0", True),
        ("sell", TakeProfitLimit(D("101.0"), D("100.5")), "100.9", False),
        ("sell", TakeProfitLimit(D("101.0"), D("100.5")), "101.0", True),
        ("buy", TakeProfitLimit(D("99.0"), D("99.5")), "99.1", False),
        ("buy", TakeProfitLimit(D("99.0"), D("99.5")), "99.0", True),
    ],
)
def test_a_trade_fires_it_in_its_own_direction(
    usual: Any, side: str, terms: OrderTerms, trade: str, fires: bool
) -> None:
    usual.order("o", side, "1", terms)
    usual.trade("buy", "0.1", trade)
    assert any(words.startswith("triggered") for words in told(usual)) is fires
    assert usual.exchange.orders.get("o") is None or usual.market.resting.remove(usual.exchange.orders["o"]) is fires


def test_krakens_stop_loss_limit(bench: Callable[..., Any]) -> None:
    """support.kraken.com 9616163984020, "Stop loss limit orders": long at 8,000, trigger 7,950, limit 7,900: "The price
    falls below 7,950, triggering your stop price. A limit order will then be opened to fill at 7,900 (or better)"."""
    b = bench()
    b.book(bids="7999x1 7949x0.4 7900x0.3 7899.9x9", asks="8000x1", snapshot=True)
    b.order("stop", "sell", "1", StopLossLimit(D(7950), D(7900)))
    b.trade("sell", "0.1", "8000")
    assert b.ends("stop") == "open" and b.held("BTC") == "1"
    b.book(bids="7999x0")
    b.trade("sell", "0.1", "7949.5")
    assert told(b) == ["triggered at 7950 by 7949.5", "stands at 7900"]
    # Taker of the 0.4 and the 0.3 at or above its limit; the other 0.3 are the ask at 7,900 now.
    assert b.fills() == ["0.4 @ 7949 taker", "0.3 @ 7900 taker"]
    assert b.ends("stop") == "open" and b.held("BTC") == "0.3"
    b.book(bids="7949x0 7900x0")
    b.trade("buy", "5", "7900.1")
    assert b.fills()[2:] == ["0.3 @ 7900 maker"]


def test_krakens_take_profit_limit(bench: Callable[..., Any]) -> None:
    """support.kraken.com 9120223338772, "Take profit limit orders": ETH at 1,500, profit price 1,700, limit 1,680: "The
    last traded price hits 1,700, triggering your profit price. A limit order to sell ETH at 1,680 is placed in the
    market, which will fill at that price or better"."""
    b = bench()
    b.book(bids="1500x5", asks="1501x5", snapshot=True)
    b.order("profit", "sell", "1", TakeProfitLimit(D(1700), D(1680)))
    b.book(bids="1500x0 1698x0.5 1680x0.2 1679x9", asks="1501x0 1701x5")
    b.trade("buy", "0.1", "1699.9")
    assert b.ends("profit") == "open" and not b.fills()
    b.trade("buy", "0.1", "1700")
    assert b.fills() == ["0.5 @ 1698 taker", "0.2 @ 1680 taker"]
    assert b.ends("profit") == "open" and b.held("BTC") == "0.3"


def test_what_a_triggered_limit_does_not_take_waits_behind_what_stands_at_its_price(usual: Any) -> None:
    usual.order("profit", "sell", "2", TakeProfitLimit(D("100.1"), D("100.2")))
    usual.trade("buy", "0.5", "100.1")
    assert usual.fills() == []
    usual.trade("buy", "10.4", "100.2")  # 10.0 stand in front
    assert usual.fills() == ["0.4 @ 100.2 maker"]


def test_quotes_never_fire_a_take_profit(usual: Any) -> None:
    usual.order("profit", "sell", "1", TakeProfit(D("101.0")))
    usual.book(bids="102.0x5", asks="100.1x0 100.2x0 102.5x5")
    assert usual.ends("profit") == "open"


def test_one_whose_trigger_was_passed_already_fires_at_once(usual: Any) -> None:
    usual.trade("sell", "0.1", "100.0")
    usual.order("profit", "buy", "1", TakeProfit(D("100.5")))
    assert usual.ends("profit") == "filled"


@pytest.mark.parametrize(
    ("side", "terms", "held"),
    [
        # The worse of trigger and limit, and 0.4 %: 102 x 1.004, 101 x 1.004, 99.5 x 1.004.
        ("buy", StopLossLimit(D("101.0"), D("102.0")), "102.408 USDT"),
        ("buy", StopLossLimit(D("101.0"), D("100.5")), "101.404 USDT"),
        ("buy", TakeProfitLimit(D("99.0"), D("99.5")), "99.898 USDT"),
        ("buy", TakeProfit(D("99.0")), "99.396 USDT"),
        ("sell", StopLossLimit(D("99.0"), D("98.0")), "1 BTC"),
    ],
)
def test_its_funds_are_held_while_it_waits(usual: Any, side: str, terms: OrderTerms, held: str) -> None:
    usual.order("o", side, "1", terms)
    amount, asset = held.split()
    assert usual.held(asset) == amount
    usual.cancel("o")
    assert usual.held(asset) == "0"


def test_what_it_does_not_need_of_its_hold_goes_back(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "102.408"})
    b.book(bids="100.0x5", asks="101.5x5", snapshot=True)
    b.order("o", "buy", "1", StopLossLimit(D("101.0"), D("102.0")))
    assert b.held("USDT") == "102.408"
    b.trade("buy", "0.1", "101.0")
    # 101.5 and its fee of 0.406.
    assert (b.fills(), b.total("USDT"), b.held("USDT")) == (["1 @ 101.5 taker"], "0.502", "0")


def test_a_triggered_limit_may_be_immediate_or_cancel(usual: Any) -> None:
    usual.order("o", "sell", "7", StopLossLimit(D("100.0"), D("99.5")), time_in_force=TimeInForce.IOC)
    usual.trade("sell", "0.0001", "100.0")
    assert usual.fills() == ["4.9999 @ 100 taker"]  # what the trade took is gone
    assert usual.ends("o").startswith("cancelled: immediate or cancel")


def test_the_trigger_can_be_amended_and_after_it_the_limit(usual: Any) -> None:
    usual.order("o", "sell", "1", TakeProfitLimit(D("101.0"), D("100.5")))
    usual.amend("o", price="102.0")
    usual.trade("buy", "0.1", "101.0")
    assert told(usual) == []
    usual.trade("buy", "0.1", "102.0")
    assert told(usual) == ["triggered at 102 by 102", "stands at 100.5"]
    usual.amend("o", price="100.9")
    assert usual.exchange.orders["o"].price == 1009


def test_what_it_cost_is_measured_from_its_trigger(usual: Any) -> None:
    usual.order("o", "sell", "1", StopLossLimit(D("99.0"), D("90.0")))
    usual.book(bids="100.0x0 95.0x9")
    usual.trade("sell", "0.1", "98.0")
    [shortfall] = [fill.explanation["shortfall"] for fill in usual.drain() if isinstance(fill, OrderFilled)]
    # Sold at 95 with the trigger at 99: 4, of which 1.45 to the middle of 95 and 100.1, and half the spread.
    assert (shortfall["delay"], shortfall["spread"], shortfall["impact"]) == ("1.45", "2.55", "0")


def test_orders_that_share_a_trade_fire_in_the_order_in_which_they_came(usual: Any) -> None:
    usual.book(bids="100.0x1.5 95.0x9")
    usual.order("profit", "sell", "1", TakeProfit(D("100.1")))
    usual.order("stop", "sell", "1", StopLossLimit(D("101.0"), D("90.0")))  # fires at its arrival once it has traded
    usual.trade("buy", "0.1", "100.1")
    assert usual.fills("profit") == ["1 @ 100 taker"]
    assert usual.fills("stop") == ["0.5 @ 100 taker", "0.5 @ 95 taker"]


def test_a_trade_that_nobody_could_match_fires_it_when_there_is_a_book_again(usual: Any) -> None:

    usual.order("profit", "sell", "1", TakeProfitLimit(D("101.0"), D("100.5")))
    usual.exchange.on_event(FeedStatus("BTC/USDT", 5, 5, FeedState.GAP, "a gap"))
    usual.trade("buy", "0.1", "101.0", at=6)
    usual.cancel("profit")
    assert usual.refused("profit") == ["EService:Unavailable"]
    usual.book(bids="100.6x5", asks="100.8x5", snapshot=True, at=7)
    assert usual.fills() == ["1 @ 100.6 taker"]
