"""Icebergs: a limit order of which the book shows a slice at a time. Bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10.

support.kraken.com iceberg-orders: "The quantity cannot be smaller than the order minimum for the trading pair, or be
smaller than 1/15th of the total order size"; "As the display size gets filled, more of the hidden portion is revealed
in increments of the display size". The cases themselves are worked here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.exchange_events import OrderRefilled
from triplegain.domain.money import text
from triplegain.domain.orders import TimeInForce
from triplegain.domain.terms import Iceberg


def iceberg(price: str, display: str, post_only: bool = False) -> Iceberg:
    return Iceberg(Decimal(price), Decimal(display), post_only)


def refills(b: Any) -> list[str]:
    return [text(event.displayed) for event in b.drain() if isinstance(event, OrderRefilled)]


def test_a_trade_fills_the_slice_that_stands_and_the_next_waits_behind_what_the_book_shows(usual: Any) -> None:
    usual.order("i", "buy", "3", iceberg("100.0", "1"))
    usual.trade("sell", "5.4", "100.0")  # 5.0 in front
    assert usual.fills() == ["0.4 @ 100 maker"]
    usual.book(bids="100.0x2")
    # 0.6 of the slice are left, and that is all the next trade gives, however large it is ...
    usual.trade("sell", "9", "100.0")
    assert usual.fills() == ["0.4 @ 100 maker", "0.6 @ 100 maker"]
    assert refills(usual) == ["1"]
    # ... and the new slice stands behind the 2.0 shown then.
    usual.book(bids="100.0x2")
    usual.trade("sell", "2.3", "100.0")
    assert usual.fills()[2:] == ["0.3 @ 100 maker"]


def test_an_order_of_ours_that_came_later_is_before_the_next_slice(usual: Any) -> None:
    usual.book(bids="99.0x5", asks="100.1x1", snapshot=True)
    usual.order("i", "buy", "2", iceberg("99.5", "1"))
    usual.order("later", "buy", "1", "99.5")
    usual.trade("sell", "1", "99.5")
    assert usual.fills("i") == ["1 @ 99.5 maker"]
    usual.trade("sell", "1.5", "99.5")
    assert usual.fills("later") == ["1 @ 99.5 maker"]
    assert usual.fills("i") == ["1 @ 99.5 maker", "0.5 @ 99.5 maker"]


def test_a_trade_through_its_price_fills_all_of_it(usual: Any) -> None:
    usual.order("i", "buy", "3", iceberg("100.0", "1"))
    usual.trade("sell", "9", "99.9")
    assert usual.fills() == ["3 @ 100 maker"]
    assert usual.ends("i") == "filled"


def test_an_opposite_quote_at_its_price_fills_what_it_displays(usual: Any) -> None:
    usual.order("i", "buy", "3", iceberg("100.0", "1"))
    usual.book(bids="100.0x0", asks="100.0x2.5")
    assert usual.fills() == ["2.5 @ 100 maker"]
    assert usual.exchange.orders["i"].standing().displayed == Decimal("0.5")


def test_what_it_takes_on_arrival_it_takes_with_all_of_it(usual: Any) -> None:
    usual.order("i", "buy", "8", iceberg("100.2", "2"))
    assert usual.fills() == ["1 @ 100.1 taker", "7 @ 100.2 taker"]


def test_the_rest_of_a_taker_shows_a_slice(usual: Any) -> None:
    usual.order("i", "buy", "4", iceberg("100.1", "1"))
    assert usual.fills() == ["1 @ 100.1 taker"]
    usual.book(asks="100.1x0")
    usual.trade("sell", "5", "100.1")
    assert usual.fills()[1:] == ["1 @ 100.1 maker"]
    assert usual.held("USDT") == "201.0008"  # 2 x 100.1 x 1.004


def test_the_last_slice_is_what_is_left(usual: Any) -> None:
    usual.book(bids="99.0x5", asks="100.1x1", snapshot=True)
    usual.order("i", "buy", "2.5", iceberg("99.5", "1"))
    for _ in range(3):
        usual.trade("sell", "5", "99.5")
    assert usual.fills() == ["1 @ 99.5 maker", "1 @ 99.5 maker", "0.5 @ 99.5 maker"]
    assert refills(usual) == ["1", "0.5"]
    assert usual.ends("i") == "filled"


@pytest.mark.parametrize(
    ("quantity", "display", "ends"),
    [
        ("3", "0.2", "open"),  # a 15th
        ("3", "0.19", "rejected: EGeneral:Invalid arguments:displayvol"),
        ("3", "3", "open"),
        ("3", "3.1", "rejected: EGeneral:Invalid arguments:displayvol"),
    ],
)
def test_how_much_it_must_show(usual: Any, quantity: str, display: str, ends: str) -> None:
    usual.order("i", "buy", quantity, iceberg("99.0", display))
    assert usual.ends("i") == ends


@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
def test_it_cannot_be_for_now_only(usual: Any, force: TimeInForce) -> None:
    usual.order("i", "buy", "3", iceberg("100.1", "1"), time_in_force=force)
    assert usual.ends("i") == "rejected: EGeneral:Invalid arguments:timeinforce"


def test_post_only_counts_for_it(usual: Any) -> None:
    usual.order("i", "buy", "3", iceberg("100.1", "1", post_only=True))
    assert usual.ends("i") == "rejected: EOrder:Post only order"


def test_it_is_held_for_whole_and_smaller_keeps_its_place(usual: Any) -> None:
    usual.order("i", "buy", "3", iceberg("100.0", "1"))
    assert usual.held("USDT") == "301.2"
    usual.amend("i", quantity="2")
    usual.trade("sell", "5.4", "100.0")
    assert usual.fills() == ["0.4 @ 100 maker"]
    assert usual.held("USDT") == "160.64"  # 1.6 x 100 x 1.004


def test_amended_below_what_it_shows_it_shows_all_and_may_grow_again(usual: Any) -> None:
    usual.order("i", "buy", "3", iceberg("100.0", "1"))
    usual.amend("i", quantity="0.5")
    usual.amend("i", quantity="0.8")  # at the back of the 5 again
    usual.trade("sell", "5.9", "100.0")
    assert (usual.refused("i"), usual.fills()) == ([], ["0.8 @ 100 maker"])
    usual.order("j", "buy", "0.1", iceberg("100.0", "0.1"))
    usual.amend("j", quantity="2")  # 0.1 x 15 = 1.5 < 2
    assert usual.refused("j") == ["EGeneral:Invalid arguments:displayvol"]
