"""What positions of the desk own pays for nothing on margin: no loss, no fee, no debt, no settlement.

Dollars stand for the coins here, as if another pair traded them: 700 of 1,000 are owned.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.exchange.margin_bench import USUAL, MarginBench

from triplegain.domain.clock import HOUR_NS
from triplegain.domain.money import atoms
from triplegain.domain.terms import SettlePosition


def own(b: MarginBench, amount: int) -> None:
    b.exchange.account.funds.owned = lambda asset: atoms(Decimal(amount)) if asset == "USDT" else 0


@pytest.fixture
def owning() -> MarginBench:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    own(b, 700)
    return b


def test_a_loss_takes_what_nobody_owns_and_the_rest_is_owed(owning: MarginBench) -> None:
    """20 at 100, sold at 80: 400 lost, 300 of them are there. Of 50 that are owned no more the debt is paid with the
    next fill."""
    owning.open("long", "buy", "20", 5)
    owning.book(bids="80.0x1000", asks="100.0x1000", snapshot=True)
    owning.open("out", "sell", "20", 5)
    assert (owning.total("USDT"), owning.owed) == ("700", "100")
    own(owning, 650)
    owning.book(bids="99.9x1000", asks="100.0x1000", snapshot=True)
    owning.open("again", "buy", "1", 5)
    assert (owning.total("USDT"), owning.owed) == ("650", "50")


def test_a_rollover_is_owed_where_all_is_owned() -> None:
    """0.025 % of 2,000."""
    b = MarginBench({"USDT": "1000"}, USUAL)
    b.market_at("99.9", "100.0", at=10)
    b.open("long", "buy", "20", 5)
    assert b.total("USDT") == "999.5"
    own(b, 1000)
    b.market_at("99.9", "100.0", at=10 + 4 * HOUR_NS)
    assert (b.total("USDT"), b.owed) == ("999.5", "0.5")


@pytest.mark.parametrize(("quantity", "ends"), [("3", "filled"), ("3.1", "rejected: EOrder:Insufficient funds")])
def test_a_settlement_is_paid_with_what_nobody_owns(owning: MarginBench, quantity: str, ends: str) -> None:
    owning.open("long", "buy", "5", 5)
    owning.order("settle", "sell", quantity, SettlePosition(), leverage=2)
    assert owning.ends("settle") == ends


def test_nor_does_it_hold_fees() -> None:
    """0.025 % of 200 are 0.05."""
    for amount, ends in ((1000, "rejected: EOrder:Insufficient funds"), (999, "filled")):
        b = MarginBench({"USDT": "1000"}, USUAL)
        b.market_at("99.9", "100.0")
        own(b, amount)
        b.open("long", "buy", "2", 5)
        assert b.ends("long") == ends
