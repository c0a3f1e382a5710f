"""Looking at an order without sending it, changing one to what was filled, and taking one out that nothing can be done
with."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.ids import Origin
from triplegain.domain.money import atoms
from triplegain.domain.refusals import Code
from triplegain.exchange.explanation import explained


@pytest.mark.parametrize(("dollars", "code"), [("100.4", None), ("100.399999999999999999", Code.INSUFFICIENT_FUNDS)])
def test_the_last_atom_is_enough_and_one_less_is_not(
    bench: Callable[..., Any], dollars: str, code: Code | None
) -> None:
    b = bench({"USDT": dollars})
    b.book(bids="99.0x5", asks="101.0x5", snapshot=True)
    refusal = b.exchange.validate(b.request("look", "buy", "1", "100.0"))  # 100 and 0.4 %
    assert (None if refusal is None else refusal.code) == code
    assert (b.held("USDT"), b.exchange.orders) == ("0", {})


@pytest.mark.parametrize(("filled", "quantity", "end"), [
    ("0.00003", "0.00003", "cancelled: amended to no more than was filled"),
    ("0.00003", "0.00002", "cancelled: amended to no more than was filled"),
    ("0.00003", "0.00004", "open"),  # more than was filled and less than the minimum: refused
    ("0.00003", "0.01", "open"),
])  # fmt: skip
def test_an_order_is_changed_to_what_was_filled_of_it_and_is_over(
    usual: Any, filled: str, quantity: str, end: str
) -> None:
    usual.order("bid", "buy", "1", "100.0")
    usual.trade("sell", f"5.{filled[2:]}", "100.0")  # 5.0 in front
    usual.amend("bid", quantity=quantity)
    assert usual.ends("bid") == end
    assert usual.refused("bid") == (["EOrder:Order minimum not met"] if quantity == "0.00004" else [])


def test_an_open_order_is_taken_out_and_gives_back_what_it_held(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")
    number = usual.exchange.orders["bid"].number
    assert usual.exchange.take_out(number, "it cannot be stored") is not None
    assert (usual.ends("bid"), usual.held("USDT")) == ("error: it cannot be stored", "0")
    assert (usual.exchange.orders, usual.exchange.take_out(number, "again")) == ({}, None)
    usual.trade("sell", "9", "99.0")
    assert usual.fills() == []


@pytest.mark.parametrize(
    ("side", "price", "expected"),
    [
        # 100.0 / 100.2 when it was decided, 100.2 / 100.6 on arrival: the middle went from 100.1 to 100.4.
        ("buy", 1007, {"delay": "0.3", "spread": "0.2", "impact": "0.1", "fee": "0.5"}),
        ("sell", 1001, {"delay": "-0.3", "spread": "0.2", "impact": "0.1", "fee": "0.5"}),
        ("buy", 1002, {"delay": "0.3", "spread": "0.2", "impact": "-0.4", "fee": "0.5"}),  # a maker earns the spread
    ],
)
def test_what_a_fill_has_cost_beside_the_middle_at_the_decision(
    usual: Any, side: str, price: int, expected: dict[str, str]
) -> None:
    usual.order("bid", side, "1", "99.0" if side == "buy" else "110.0")
    order = usual.exchange.orders["bid"]
    order.quote_at_decision, order.quote_at_arrival = (1000, 1002), (1002, 1006)
    told = explained(order, price, order.lots, False, "book", {}, (1002, 1006), price * 10**17, 5 * 10**17, 4000)
    assert told["shortfall"] == expected


def test_of_a_market_of_which_nothing_was_heard_nothing_is_known(bench: Callable[..., Any]) -> None:
    market = bench().market
    assert (market.last, market.public.last_at_ns, market.public.dated_ns, market.public.received_at_ns) == (
        None,
        0,
        0,
        0,
    )
    assert (market.standing(), market.quotes(), market.is_held) == (None, (None, None), False)


@pytest.mark.parametrize(("side", "end"), [("buy", "open"), ("sell", "rejected: EGeneral:Invalid arguments")])
def test_the_hodl_bag_buys_and_never_sells(usual: Any, side: str, end: str) -> None:
    usual.wallet.set_aside("USDT", atoms(Decimal(200)), 2)
    usual.wallet.set_aside("BTC", atoms(Decimal(2)), 2)
    usual.order("hodl", side, "1", "99.0" if side == "buy" else "101.0", origin=Origin.HODL)
    assert usual.ends("hodl") == end


@pytest.mark.parametrize(("quantity", "refused"), [("0.005", []), ("0.00499999", ["EOrder:Cost minimum not met"])])
def test_an_amendment_to_the_very_minimum_of_cost(usual: Any, quantity: str, refused: list[str]) -> None:
    """0.005 at 100.0 are 0.5."""
    usual.order("bid", "buy", "1", "100.0")
    usual.amend("bid", quantity=quantity)
    assert (usual.refused("bid"), usual.ends("bid")) == (refused, "open")
