"""What an order is before anything has happened to it."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import INSTRUMENT

from triplegain.domain.clock import NO_MOMENT
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.money import atoms
from triplegain.domain.orders import Limit, Market, OrderRequest, OrderStatus, OrderTerms, Side, StopLoss
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import StopLossLimit, TrailingStop
from triplegain.exchange.order import Role, WorkingOrder

GIVEN = {"number", "order_id", "request", "instrument", "sent_ns", "arrived_ns", "client_order_id", "side", "rising",
         "funds_asset", "fee_asset", "account", "is_plain", "asked", "role", "key"}  # fmt: skip


def made(side: Side, terms: OrderTerms) -> WorkingOrder:
    request = OrderRequest("mine", INSTRUMENT.symbol, side, Decimal(1), terms)
    return WorkingOrder(7, "O-7", request, INSTRUMENT, sent_ns=5, arrived_ns=6)


def test_nothing_has_happened_to_a_new_order() -> None:
    order = made(Side.BUY, Limit(Decimal(100)))
    state = {each.name: getattr(order, each.name) for each in dataclasses.fields(order) if each.name not in GIVEN}
    unlike_zero = {name: value for name, value in state.items() if value != 0 and value is not None}
    assert unlike_zero == {
        "status": OrderStatus.PENDING, "shrunk_ns": NO_MOMENT, "stands_ns": NO_MOMENT,
        "quote_at_decision": (None, None), "quote_at_arrival": (None, None),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("side", "terms", "expected"),
    [
        (Side.BUY, Limit(Decimal(100)), (0, "USDT", False)),
        (Side.SELL, Limit(Decimal(100)), (1, "BTC", True)),
        (Side.BUY, StopLoss(Decimal(100)), (0, "USDT", True)),  # bought as the price rises to it
        (Side.SELL, StopLoss(Decimal(100)), (1, "BTC", False)),
    ],
)
def test_what_follows_from_its_request(side: Side, terms: OrderTerms, expected: tuple[Any, ...]) -> None:
    order = made(side, terms)
    assert (order.side, order.funds_asset, order.rising) == expected
    assert (order.client_order_id, order.key) == ("mine", "7")
    assert (order.fee_asset, order.pays_fee_in_base, order.account, order.asked) == (
        "USDT", False, LedgerAccount.WALLET, 100_000_000,
    )  # fmt: skip
    assert order.role is (Role.TRIGGER if isinstance(terms, StopLoss) else Role.LIMIT)


def ready(terms: OrderTerms, **state: int) -> WorkingOrder:
    order = made(Side.SELL, terms)
    for name, value in {"price": 1000, "lots": 50, "left": 50, **state}.items():
        setattr(order, name, value)
    return order


STOP, STOP_LIMIT = StopLoss(Decimal(100)), StopLossLimit(Decimal(100), Decimal(99))
TRAILING = TrailingStop(Offset(Sign.PLUS, Decimal(1)))


@pytest.mark.parametrize(
    ("order", "trigger", "limit", "peak", "displayed"),
    [
        (ready(Limit(Decimal(100))), None, "100", None, "5E-7"),
        (ready(Market(), price=0), None, None, None, None),
        (ready(STOP), "100", None, None, None),
        (ready(STOP_LIMIT, limit=990), "100", "99", None, None),
        (ready(TRAILING, peak=1010), "100", None, "101", None),
        (ready(Limit(Decimal(100)), shown=20), None, "100", None, "2E-7"),
        (ready(Limit(Decimal(100)), shown=70), None, "100", None, "5E-7"),  # never more than is left
    ],
)
def test_where_an_order_stands(
    order: WorkingOrder, trigger: str | None, limit: str | None, peak: str | None, displayed: str | None
) -> None:
    expected = [None if each is None else Decimal(each) for each in (trigger, limit, peak, displayed)]
    standing = order.standing()
    assert [standing.trigger, standing.limit, standing.peak, standing.displayed] == expected


# What goes at any price has none of its own.
@pytest.mark.parametrize(("terms", "price"), [(STOP, 0), (STOP_LIMIT, 990)])
def test_a_trigger_that_is_reached(terms: OrderTerms, price: int) -> None:
    order = ready(terms, limit=price, passed=995)
    order.fire()
    assert (order.triggered, order.fired, order.passed, order.price) == (True, 1000, 0, price)
    assert order.standing().trigger is None and order.standing().peak is None


@pytest.mark.parametrize(
    ("cost", "spent", "cost_decimals", "left"),
    [
        ("10", "4", 5, "6"),
        ("10", "10", 5, "0"),
        ("10", "11", 5, "0"),  # rounding may have taken more than it named
        ("10", "3.999995", 5, "6"),  # of 6.000005 whole steps of the pair
        ("10", "3.99999", 5, "6.00001"),
        ("10", "3.9999999999", 10, "6"),  # of 6.0000000001 whole steps of the currency, 1e-8
        ("10", "3.99999999", 10, "6.00000001"),
    ],
)
def test_what_is_left_of_a_cost_is_in_whole_steps(cost: str, spent: str, cost_decimals: int, left: str) -> None:
    order = ready(Market(), cost=atoms(Decimal(cost)), spent_atoms=atoms(Decimal(spent)))
    order.instrument = dataclasses.replace(INSTRUMENT, cost_decimals=cost_decimals)
    assert order.budget == atoms(Decimal(left))
