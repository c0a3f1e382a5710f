"""Settling a position: what was lent is given back from the account's own funds, and nothing is traded.

Kraken (support, "Settling a spot position on margin"): no trading fee; oldest position first; a long is settled with
the amount of the quote currency that bought it, a short with the coins that were sold.
"""

from __future__ import annotations

import pytest
from tests.exchange.margin_bench import USUAL_FEES, MarginBench, btc

from triplegain.domain.orders import OrderOptions
from triplegain.domain.terms import SettlePosition


def settle(b: MarginBench, name: str, side: str, quantity: str, leverage: int = 2) -> None:
    b.order(name, side, quantity, SettlePosition(), leverage=leverage)


def test_a_long_is_settled_with_what_it_cost_and_its_coins_are_there() -> None:
    """1 at 100: 100 are paid, 1 comes; that the price is 120 by now is nobody's business."""
    b = MarginBench({"USDT": "1000"}, instrument=btc(USUAL_FEES))
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "1", 5)
    b.market_at("120.0", "120.1")
    b.ledger()
    settle(b, "settle", "sell", "1")
    assert b.ledger() == [("settled", "wallet", "-100"), ("settled", "wallet", "1")]
    assert (b.positions, b.total("BTC"), b.total("USDT")) == ([], "1", "899.6")
    assert (b.ends("settle"), b.fills("settle")) == ("filled", ["1 @ 100 taker"])


def test_a_short_is_settled_with_coins_and_brings_what_they_were_sold_for() -> None:
    b = MarginBench({"USDT": "1000", "BTC": "3"})
    b.market_at("100.0", "100.1")
    b.open("short", "sell", "2", 5)
    b.market_at("90.0", "90.1")
    settle(b, "settle", "buy", "2")
    assert (b.positions, b.total("BTC"), b.total("USDT")) == ([], "1", "1200")


def test_the_oldest_is_settled_first_and_no_more_than_there_is() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("one", "buy", "1", 5)
    b.market_at("109.9", "110.0")
    b.open("two", "buy", "1", 5)
    settle(b, "part", "sell", "1.5")
    assert (b.positions, b.total("USDT")) == (["buy 0.5 for 55"], "845")
    assert b.fills("part") == ["1 @ 100 taker", "0.5 @ 110 taker"]
    settle(b, "rest", "sell", "9")
    assert (b.positions, b.fills("rest"), b.total("BTC")) == ([], ["0.5 @ 110 taker"], "2")


@pytest.mark.parametrize(
    ("side", "quantity", "leverage", "ends"),
    [
        ("buy", "1", 2, "rejected: EOrder:Unknown position"),
        ("sell", "1", 1, "rejected: EGeneral:Invalid arguments:leverage"),
        ("sell", "20", 2, "rejected: EOrder:Insufficient funds"),
    ],
)
def test_what_cannot_be_settled_is_refused(side: str, quantity: str, leverage: int, ends: str) -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "20", 5)
    settle(b, "settle", side, quantity, leverage)
    assert b.ends("settle") == ends
    assert b.positions == ["buy 20 for 2000"]


def test_any_leverage_settles_and_what_is_above_the_position_is_cut() -> None:
    """10 is the most that is lent."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "1", 5)
    settle(b, "settle", "sell", "3", 50)
    assert (b.fills("settle"), b.positions, b.total("BTC")) == (["1 @ 100 taker"], [], "1")


def test_what_is_held_for_other_orders_does_not_settle() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "5", 5)
    b.order("bid", "buy", "6", "90.0")
    settle(b, "settle", "sell", "5")
    assert b.ends("settle") == "rejected: EOrder:Insufficient funds"


def test_nor_does_an_edit_settle_what_cannot_be_paid_for() -> None:
    """2,000 are owed for the 20, and 1,000 are there."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "20", 5)
    b.open("target", "sell", "5", 5, "120.0")
    b.order("settle", "sell", "20", SettlePosition(), leverage=2, options=OrderOptions(replaces="target"))
    assert (b.ends("settle"), b.ends("target")) == ("rejected: EOrder:Insufficient funds", "open")


def test_orders_that_only_reduce_go_with_the_position() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "5", 5)
    b.open("target", "sell", "5", 5, "120.0", options=OrderOptions(reduce_only=True))
    settle(b, "settle", "sell", "5")
    assert b.ends("target") == "cancelled: reduce only: the position is closed"
