"""What an order is before anything has happened to it."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import INSTRUMENT

from triplegain.domain.clock import NO_MOMENT
from triplegain.domain.orders import Limit, OrderRequest, OrderStatus, OrderTerms, Side, StopLoss
from triplegain.exchange.order import WorkingOrder

GIVEN = {"number", "order_id", "request", "instrument", "sent_ns", "arrived_ns", "client_order_id", "side", "rising",
         "funds_asset", "key"}  # fmt: skip


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
