"""One position on its own: shares of a cost that does not divide."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.exchange.margin_bench import btc

from triplegain.domain.money import from_atoms
from triplegain.domain.orders import Side
from triplegain.exchange.margin.position import OpenPosition, lending_fee

BTC = btc()


@pytest.mark.parametrize(("side", "left"), [(Side.BUY, (6, 3)), (Side.SELL, (7, 4))])
def test_each_part_takes_its_share_rounded_against_the_trader_and_the_last_one_the_rest(
    side: Side, left: tuple[int, int]
) -> None:
    """10 atoms for 3 lots: a purchase's thirds cost 4, 3 (of 6, two lots), 3; a sale's brought 3, 3 (of 7), 4."""
    zero, three = Decimal(0), BTC.quantity(3)
    position = OpenPosition(1, 1, "O", BTC.symbol, side, 2, three, from_atoms(10), three, zero, 0, 0)
    for atoms in left:
        position, _ = position.closed(BTC, 1, 0)
        assert position.cost == from_atoms(atoms)
    position, _ = position.closed(BTC, 1, 0)
    assert (position.cost, position.quantity) == (zero, zero)


@pytest.mark.parametrize(
    ("lent", "rate", "fee"),
    # in steps of 1e-8 USDT: 0.025 % of 0.00004 is 1e-8, of a little more two steps
    # 0.000001 % of 10,000 is 0.0001
    [
        (10**22, "0.00000001", 10**14),
        (4 * 10**13, "0.00025", 10**10),
        (4 * 10**13 + 1, "0.00025", 2 * 10**10),
        (10**18, "0", 0),
    ],
)
def test_the_fee_for_lending_is_rounded_up(lent: int, rate: str, fee: int) -> None:
    assert lending_fee(lent, Decimal(rate), BTC) == fee
