"""Cases each of which a well-known engine gets wrong by default. Bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.orders import Limit, SelfTradePrevention, TimeInForce


def test_two_own_bids_share_what_the_tape_sells_in_order_of_arrival(usual: Any) -> None:
    usual.order("first", "buy", "1.0", "100.0")
    usual.order("second", "buy", "1.0", "100.0")
    usual.trade("sell", "5.0", "100.0")  # the 5.0 in front of both
    assert usual.fills() == []
    usual.trade("sell", "0.6", "100.0")  # 0.6 in all, to the first
    assert usual.fills("first") == ["0.6 @ 100 maker"]
    assert usual.fills("second") == []


def test_a_level_that_shrinks_by_cancels_loses_its_back_first(usual: Any) -> None:
    usual.order("bid", "buy", "1.0", "100.0")
    usual.book(bids="100.0x0.5")  # 4.5 left, nobody traded: 0.5 is still in front
    usual.trade("sell", "0.6", "100.0")  # 0.6 - 0.5 = 0.1
    assert usual.fills() == ["0.1 @ 100 maker"]


def test_resending_a_level_moves_no_queue(usual: Any) -> None:
    usual.order("bid", "buy", "1.0", "100.0")
    usual.book(bids="100.0x5")
    usual.trade("sell", "0.5", "100.0")
    assert usual.fills() == []


def test_two_market_buys_cannot_eat_the_same_level(usual: Any) -> None:
    usual.order("one", "buy", "0.8")
    usual.order("two", "buy", "0.8")
    # 0.8 @ 100.1, then 0.2 @ 100.1 and 0.6 @ 100.2
    assert usual.fills() == ["0.8 @ 100.1 taker", "0.2 @ 100.1 taker", "0.6 @ 100.2 taker"]


def test_a_crossing_limit_takes_the_level_once_and_waits_at_its_front(usual: Any) -> None:
    usual.order("buy", "buy", "5.0", "100.1")
    usual.book(asks="100.1x1")
    usual.book(asks="100.1x1 100.2x10")
    assert usual.fills() == ["1 @ 100.1 taker"]
    usual.trade("sell", "0.3", "100.1")  # nobody is in front of us at 100.1
    assert usual.fills()[1:] == ["0.3 @ 100.1 maker"]


def test_growth_of_a_taken_level_is_new_liquidity(usual: Any) -> None:
    usual.order("buy", "buy", "5.0", "100.1")
    usual.book(asks="100.1x1.5")  # 1.0 of it is the 1.0 already taken
    assert usual.fills() == ["1 @ 100.1 taker", "0.5 @ 100.1 maker"]


def test_a_vanished_level_forgets_what_was_taken(usual: Any) -> None:
    usual.order("one", "buy", "1.0")
    usual.book(asks="100.1x0")
    usual.book(asks="100.1x1")
    usual.order("two", "buy", "1.0")
    assert usual.fills() == ["1 @ 100.1 taker", "1 @ 100.1 taker"]


def test_a_market_buy_fills_though_no_trade_was_ever_seen(usual: Any) -> None:
    usual.order("buy", "buy", "0.5")
    assert usual.fills() == ["0.5 @ 100.1 taker"]


def test_no_fill_with_oneself(bench: Callable[..., Any]) -> None:
    b = bench()
    b.book(bids="100.0x5", asks="100.2x10", snapshot=True)
    b.order("ask", "sell", "1.0", "100.1")
    b.order("buy", "buy", "1.0")
    assert b.fills() == []
    assert b.ends("buy") == "cancelled: self-trade prevention"
    assert b.ends("ask") == "open"


@pytest.mark.parametrize(
    ("rule", "ask", "buy", "fills"),
    [
        (SelfTradePrevention.CANCEL_NEWEST, "open", "cancelled: self-trade prevention", []),
        (SelfTradePrevention.CANCEL_OLDEST, "cancelled: self-trade prevention", "filled", ["1 @ 100.2 taker"]),
        (SelfTradePrevention.CANCEL_BOTH, "cancelled: self-trade prevention", "cancelled: self-trade prevention", []),
    ],
)
def test_each_rule_of_self_trade_prevention(
    bench: Callable[..., Any], rule: SelfTradePrevention, ask: str, buy: str, fills: list[str]
) -> None:
    b = bench()
    b.book(bids="100.0x5", asks="100.2x10", snapshot=True)
    b.order("ask", "sell", "1.0", "100.1")
    b.order("buy", "buy", "1.0", self_trade=rule)
    assert (b.ends("ask"), b.ends("buy"), b.fills()) == (ask, buy, fills)


def test_public_orders_in_front_of_our_own_ask_are_taken_before_prevention(usual: Any) -> None:
    usual.order("ask", "sell", "1.0", "100.1")  # behind the public 1.0
    usual.order("buy", "buy", "1.5")
    assert usual.fills() == ["1 @ 100.1 taker"]
    assert usual.ends("buy") == "cancelled: self-trade prevention"


def test_a_stop_does_not_look_at_the_bid(usual: Any) -> None:
    usual.trade("buy", "0.1", "100.1")
    usual.stop("stop", "sell", "1.0", "99.0")
    usual.book(bids="100.0x0 98.9x5")
    assert usual.fills() == []
    assert usual.ends("stop") == "open"


def test_a_stop_that_gaps_fills_at_the_gapped_book(usual: Any) -> None:
    usual.stop("stop", "sell", "1.0", "99.0")
    usual.book(bids="100.0x0 95.0x5")
    usual.trade("sell", "0.2", "95.0")
    assert usual.fills() == ["1 @ 95 taker"]


def test_a_stop_cannot_sell_to_bids_its_own_trigger_trade_has_eaten(usual: Any) -> None:
    usual.book(bids="99.0x3 98.0x5")
    usual.stop("stop", "sell", "2.0", "99.0")
    # The sweep that triggers ate 100.0 whole and 2.5 of the 3.0 at 99.0; the depth channel does not show it yet.
    usual.trade("sell", "2.5", "99.0")
    assert usual.fills() == ["0.5 @ 99 taker", "1.5 @ 98 taker"]


def test_selling_more_than_there_is_is_refused(bench: Callable[..., Any]) -> None:
    b = bench({"BTC": "100", "USDT": "0"})
    b.book(bids="100.0x500", asks="100.1x1", snapshot=True)
    b.order("sell", "sell", "200")
    assert b.ends("sell") == "rejected: EOrder:Insufficient funds"
    assert (b.held("BTC"), b.fills()) == ("0", [])


def test_beyond_the_visible_book_there_is_nothing(usual: Any) -> None:
    usual.order("buy", "buy", "20")
    assert usual.fills() == ["1 @ 100.1 taker", "10 @ 100.2 taker"]
    assert usual.ends("buy") == "cancelled: no more visible liquidity"


def test_a_marketable_limit_pays_the_book_not_its_limit(usual: Any) -> None:
    usual.order("buy", "buy", "1.5", "105.0")
    assert usual.fills() == ["1 @ 100.1 taker", "0.5 @ 100.2 taker"]


def test_immediate_or_cancel_never_rests(usual: Any) -> None:
    usual.order("buy", "buy", "3", "100.1", time_in_force=TimeInForce.IOC)
    assert usual.fills() == ["1 @ 100.1 taker"]
    assert usual.ends("buy").startswith("cancelled: immediate or cancel")


def test_post_only_is_refused_rather_than_taking(usual: Any) -> None:
    usual.order("taker", "buy", "1", Limit(Decimal("100.1"), post_only=True))
    usual.order("maker", "buy", "1", Limit(Decimal("100.0"), post_only=True))
    assert usual.ends("taker") == "rejected: EOrder:Post only order"
    assert usual.ends("maker") == "open"


def test_a_good_till_date_order_expires_at_its_time(usual: Any) -> None:
    usual.order("buy", "buy", "1", "100.0", time_in_force=TimeInForce.GTD, expires_at_ns=1000)
    usual.book(bids="99.0x1", at=999)
    assert usual.ends("buy") == "open"
    usual.book(bids="99.0x2", at=1001)
    assert usual.ends("buy").startswith("expired")
    assert usual.held("USDT") == "0"


def test_a_trade_through_the_price_fills_only_what_was_traded(usual: Any) -> None:
    usual.order("bid", "buy", "3.0", "100.0")
    usual.trade("sell", "2.0", "99.5")
    assert usual.fills() == ["2 @ 100 maker"]


def test_a_quote_through_the_price_fills_only_what_is_displayed(usual: Any) -> None:
    usual.order("bid", "buy", "3.0", "100.0")
    usual.book(bids="100.0x0", asks="99.9x1.2")
    usual.book(asks="99.9x1.2")
    assert usual.fills() == ["1.2 @ 100 maker"]


@pytest.mark.parametrize("trade_first", [True, False])
def test_a_trade_and_its_level_change_are_counted_once_in_either_order(usual: Any, trade_first: bool) -> None:
    usual.order("bid", "buy", "1.0", "100.0")  # 5.0 in front
    if trade_first:
        usual.trade("sell", "3.0", "100.0", at=50)
        usual.book(bids="100.0x2", at=50)
    else:
        usual.book(bids="100.0x2", at=50)
        usual.trade("sell", "3.0", "100.0", at=50)
    assert usual.fills() == []  # 2.0 still in front either way
    usual.trade("sell", "2.4", "100.0", at=60)
    assert usual.fills() == ["0.4 @ 100 maker"]


def test_a_resynchronising_snapshot_is_no_free_place_at_the_front(usual: Any) -> None:
    usual.order("bid", "buy", "1.0", "100.0")
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, FeedState.GAP, "sequence gap"))
    usual.trade("sell", "9", "100.0", at=11)  # matching is paused: nobody knows
    usual.book(bids="100.0x4", asks="100.1x1", snapshot=True, at=12)
    usual.trade("sell", "4.1", "100.0", at=13)  # 5.0 capped to 4.0 in front: 0.1 is ours
    assert usual.fills() == ["0.1 @ 100 maker"]


def test_orders_are_refused_while_the_book_is_out_of_sync(usual: Any) -> None:
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, FeedState.CHECKSUM_MISMATCH, "checksum mismatch"))
    usual.order("buy", "buy", "1")
    assert usual.ends("buy") == "rejected: EService:Unavailable"


def test_a_crossed_book_stops_matching_until_a_snapshot(usual: Any) -> None:
    usual.book(bids="100.3x1")
    usual.order("refused", "buy", "1")
    usual.book(bids="100.0x5", asks="100.1x1", snapshot=True)
    usual.order("filled", "buy", "1")
    assert (usual.ends("refused"), usual.ends("filled")) == ("rejected: EService:Unavailable", "filled")


def test_a_level_out_of_sight_has_an_unknown_queue_until_it_is_seen(usual: Any) -> None:
    usual.order("bid", "buy", "1.0", "99.0")  # below the snapshot's last bid
    usual.trade("sell", "7.0", "99.0")
    assert usual.fills() == []
    usual.book(bids="99.0x2")  # now it is seen: all of it is in front
    usual.trade("sell", "2.5", "99.0")
    assert usual.fills() == ["0.5 @ 99 maker"]


def test_amending_down_keeps_the_queue_and_amending_up_loses_it(usual: Any) -> None:
    usual.order("down", "buy", "1.0", "100.0")
    usual.order("up", "buy", "1.0", "100.0")
    usual.trade("sell", "4.0", "100.0")
    usual.book(bids="100.0x3")  # 1.0 in front of ours, 2.0 behind
    usual.amend("down", quantity="0.5")
    usual.amend("up", quantity="1.5")
    usual.trade("sell", "1.6", "100.0")
    # down: 1.0 in front, then 0.5; up: went to the back, behind 3.0
    assert usual.fills() == ["0.5 @ 100 maker"]


def test_amending_the_price_moves_the_hold_and_the_place(usual: Any) -> None:
    usual.order("bid", "buy", "1.0", "100.0")
    assert usual.held("USDT") == "100.4"  # 100 + 0.4 % taker fee
    usual.amend("bid", price="90.0")
    assert usual.held("USDT") == "90.36"
    usual.amend("bid", price="90.05")
    assert usual.refused("bid") == ["EOrder:Tick size check failed"]
    usual.amend("bid", price="100.1")
    assert usual.fills() == ["1 @ 100.1 taker"]


def test_amending_below_what_is_filled_cancels_the_rest(usual: Any) -> None:
    usual.order("bid", "buy", "5.0", "100.1")
    usual.amend("bid", quantity="1")
    assert usual.ends("bid") == "cancelled: amended to no more than was filled"
    assert usual.held("USDT") == "0"
