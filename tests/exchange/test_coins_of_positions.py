"""Coins of positions are there for their own exits: what any other order may sell is what nobody owns.

Worked here. 1.5 BTC lie in the wallet, positions own 1.0 of them; 0.5 are free. What exits hold is theirs already.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.ids import Origin
from triplegain.domain.money import atoms
from triplegain.domain.orders import OrderOptions, StopLoss

LACKING = "rejected: EOrder:Insufficient funds"


@pytest.fixture
def owning(bench: Callable[..., Any]) -> Any:
    b = bench({"USDT": "1000", "BTC": "1.5"})
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    b.exchange.account.funds.owned = lambda asset: atoms(Decimal(1)) if asset == "BTC" else 0
    return b


@pytest.mark.parametrize(
    ("quantity", "position", "end"),
    [
        ("0.5", None, "open"),
        ("0.50000001", None, LACKING),
        ("1", "pos-1", "open"),
        ("1.5", "pos-1", "open"),  # how much of it is the position's says the position
        ("1.50000001", "pos-1", LACKING),
    ],
)
def test_only_an_exit_may_sell_coins_of_positions(owning: Any, quantity: str, position: str | None, end: str) -> None:
    owning.order("sale", "sell", quantity, "110.0", position_id=position)
    assert owning.ends("sale") == end


@pytest.mark.parametrize(("quantity", "end"), [("0.5", "open"), ("0.50000001", LACKING)])
def test_what_an_exit_holds_is_not_taken_off_twice(owning: Any, quantity: str, end: str) -> None:
    """1.5 less the 0.4 that the stop holds are 1.1; the other 0.6 of the position are not free either."""
    owning.order("stop", "sell", "0.4", StopLoss(Decimal("90.0")), position_id="pos-1")
    owning.order("sale", "sell", quantity, "110.0")
    assert owning.ends("sale") == end


@pytest.mark.parametrize(
    ("owned", "quantity", "end"),
    [
        ("0.4", "1.1", "open"),  # all of it is held by the stop already: the rest is free
        ("0.4", "1.10000001", LACKING),
        ("0.400000000000000001", "1.1", LACKING),  # an atom of it is not
        ("0.3", "1.1", "open"),  # a stop that holds more than is owned frees nothing
    ],
)
def test_beside_the_coins_that_exits_hold_the_rest_is_free(owning: Any, owned: str, quantity: str, end: str) -> None:
    owning.exchange.account.funds.owned = lambda asset: atoms(Decimal(owned)) if asset == "BTC" else 0
    owning.order("stop", "sell", "0.4", StopLoss(Decimal("90.0")), position_id="pos-1")
    owning.order("sale", "sell", quantity, "110.0")
    assert owning.ends("sale") == end


@pytest.mark.parametrize(
    ("held_by", "quantity", "position", "end"),
    [
        # Of 1.5 a position owns 1.0. What the stop of it holds is no one's who edits it into a sale by hand.
        ("pos-1", "0.5", None, "open"),
        ("pos-1", "0.50000001", None, LACKING),
        ("pos-1", "1.5", "pos-1", "open"),
        (None, "0.5", None, "open"),
        (None, "1.5", "pos-1", "open"),
    ],
)
def test_the_edit_of_an_exit_into_a_sale_by_hand_has_what_nobody_owns(
    owning: Any, held_by: str | None, quantity: str, position: str | None, end: str
) -> None:
    owning.order("first", "sell", "1" if held_by else "0.5", "120.0", position_id=held_by)
    options = OrderOptions(replaces="first")
    owning.order("other", "sell", quantity, "110.0", position_id=position, options=options)
    assert owning.ends("other") == end
    assert owning.ends("first").partition(":")[0] == ("cancelled" if end == "open" else "open")


def test_the_edit_of_a_purchase_of_the_bag_by_one_of_the_wallet_has_none_of_its_money(owning: Any) -> None:
    """900 of 1,000 are set aside and held: the other account has 100, of which 0.99 at 100 are paid and 1.0 is not."""
    assert owning.wallet.set_aside("USDT", atoms(Decimal(900)), 5)
    owning.order("bag", "buy", "8", "100.0", origin=Origin.HODL)
    for name, quantity, end in (("more", "1", LACKING), ("less", "0.99", "open")):
        owning.order(name, "buy", quantity, "100.0", options=OrderOptions(replaces="bag"))
        assert owning.ends(name) == end


def test_a_single_atom_is_owned(owning: Any) -> None:
    owning.exchange.account.funds.owned = lambda asset: 1 if asset == "BTC" else 0
    owning.order("sale", "sell", "1.5", "110.0")
    assert owning.ends("sale") == LACKING


def test_what_a_purchase_for_a_position_or_another_sale_holds_frees_none_of_its_coins(owning: Any) -> None:
    """Neither 90.36 USDT held are coins, nor are the 0.3 that are sold from what nobody owns: 0.2 are left."""
    owning.order("more", "buy", "1", "90.0", position_id="pos-1")
    owning.order("first", "sell", "0.3", "110.0")
    owning.order("too much", "sell", "0.20000001", "110.0")
    owning.order("second", "sell", "0.2", "110.0")
    assert [owning.ends(name) for name in ("more", "first", "too much", "second")] == ["open", "open", LACKING, "open"]


def test_coins_that_nobody_has_been_told_of_are_owned_already(owning: Any) -> None:
    """0.3 are bought for a position, fee in USDT: 1.8 in the wallet, 1.3 owned. What is told its owner counts."""
    owning.exchange.place(owning.request("more", "buy", "0.3", position_id="pos-2"))
    owning.exchange.run_through(owning.exchange.now_ns)
    owning.order("too much", "sell", "0.50000001", "110.0")
    owning.order("sale", "sell", "0.5", "110.0")
    assert (owning.ends("too much"), owning.ends("sale")) == (LACKING, "open")
    owning.drain()
    owning.order("later", "sell", "0.3", "110.0")
    assert owning.ends("later") == "open"


def test_coins_that_an_exit_has_sold_are_owned_no_more(owning: Any) -> None:
    owning.exchange.place(owning.request("exit", "sell", "0.4", position_id="pos-1"))
    owning.exchange.run_through(owning.exchange.now_ns)
    owning.order("too much", "sell", "0.50000001", "110.0")
    owning.order("sale", "sell", "0.5", "110.0")
    assert (owning.ends("too much"), owning.ends("sale")) == (LACKING, "open")


def test_dollars_have_no_owner(owning: Any) -> None:
    owning.order("bid", "buy", "9.9", "100.0")  # 990 x 1.004 = 993.96
    assert owning.ends("bid") == "open"
