"""What a fill costs where the funds are short of it, and what an order by cost may cost at the most."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.exchange.conftest import INSTRUMENT

from triplegain.domain.money import atoms
from triplegain.domain.orders import FeePreference, Market, OrderOptions, OrderRequest, Side
from triplegain.exchange.charges import Charge, charge_of, paid_for, worst_by_cost
from triplegain.exchange.order import WorkingOrder


def order(side: Side = Side.BUY, preference: FeePreference = FeePreference.QUOTE) -> WorkingOrder:
    options = OrderOptions(fee_preference=preference)
    request = OrderRequest("o", INSTRUMENT.symbol, side, Decimal(1), Market(), options=options)
    return WorkingOrder(1, "O", request, INSTRUMENT, sent_ns=0, arrived_ns=0)


WHOLE = Charge(cost=100, fee=5, paid=100, received=7, fee_paid=5, spent=105)
#: Its cost is told in finer steps than balances move in.
ROUNDED_UP = Charge(cost=98, fee=5, paid=100, received=7, fee_paid=5, spent=105)


@pytest.mark.parametrize(
    ("charge", "funds", "expected"),
    [
        (WHOLE, 106, WHOLE),
        (WHOLE, 105, WHOLE),
        # What is lacking is not charged: of the fee first,
        (WHOLE, 104, Charge(100, 4, 100, 7, 4, 104)),
        (WHOLE, 100, Charge(100, 0, 100, 7, 0, 100)),
        # and then of the cost.
        (WHOLE, 98, Charge(98, 0, 98, 7, 0, 98)),
        (ROUNDED_UP, 104, Charge(98, 4, 100, 7, 4, 104)),
        (ROUNDED_UP, 99, Charge(98, 0, 99, 7, 0, 99)),
        (ROUNDED_UP, 97, Charge(97, 0, 97, 7, 0, 97)),
    ],
)
def test_what_is_lacking_is_not_charged(charge: Charge, funds: int, expected: Charge) -> None:
    assert charge.within(funds) == expected


@pytest.mark.parametrize(
    ("side", "preference", "price", "lots", "rate_ppm", "expected"),
    [
        # 0.1 x 1e-8 = 1e-9 dollars of 1e-5: a purchase pays a step, a sale gets none and pays no fee.
        (Side.BUY, FeePreference.QUOTE, 1, 1, 4000, ("0.00001", "0.00001", "0.00002")),
        (Side.SELL, FeePreference.QUOTE, 1, 1, 4000, ("0", "0", "0.00000001")),
        (Side.BUY, FeePreference.QUOTE, 1000, 10**8, 4000, ("100", "0.4", "100.4")),
        (Side.SELL, FeePreference.QUOTE, 1000, 10**8, 4000, ("100", "0.4", "1")),
        # In coins: up to the lot, and a lot at least is left of a purchase.
        (Side.BUY, FeePreference.BASE, 1000, 10**8, 4000, ("100", "0.004", "100")),
        (Side.BUY, FeePreference.BASE, 1000, 101, 4000, ("0.00011", "0.00000001", "0.00011")),
        (Side.BUY, FeePreference.BASE, 1000, 2, 999_999, ("0.00001", "0.00000001", "0.00001")),
        (Side.BUY, FeePreference.BASE, 1000, 1, 999_999, ("0.00001", "0", "0.00001")),
        (Side.SELL, FeePreference.BASE, 1000, 10**8, 4000, ("100", "0.004", "1.004")),
        (Side.SELL, FeePreference.BASE, 1000, 1, 4000, ("0", "0.00000001", "0.00000002")),  # a share of a lot is a lot
    ],
)
def test_cost_fee_and_all_that_is_spent(
    side: Side, preference: FeePreference, price: int, lots: int, rate_ppm: int, expected: tuple[str, str, str]
) -> None:
    charge = charge_of(order(side, preference), price, lots, rate_ppm)
    assert (charge.cost, charge.fee, charge.spent) == tuple(atoms(Decimal(each)) for each in expected)


def test_what_a_purchase_pays_for_its_coins_has_no_fee_in_it() -> None:
    assert paid_for(order(), 1000, 10**8) == atoms(Decimal(100))


@pytest.mark.parametrize(("preference", "most"), [(FeePreference.QUOTE, "100.4"), (FeePreference.BASE, "100")])
def test_the_most_that_an_order_by_cost_may_cost(preference: FeePreference, most: str) -> None:
    by_cost = order(Side.BUY, preference)
    by_cost.cost, by_cost.fee_ceiling_ppm = atoms(Decimal(100)), 4000
    assert worst_by_cost(by_cost) == atoms(Decimal(most))
