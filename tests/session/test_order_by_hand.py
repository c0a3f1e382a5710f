"""What a person may send, and when not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from triplegain.domain.orders import Market, OrderRequest, Side
from triplegain.session.order_by_hand import refusal


def order(side: Side) -> OrderRequest:
    return OrderRequest("mine", "BTC/USDT", side, Decimal(1), Market())


@pytest.mark.parametrize(
    ("side", "has_begun", "halted", "unfillable", "must_be_flat", "words"),
    [
        (Side.BUY, True, "", "", False, ""),
        (Side.BUY, False, "", "", False, "has not started"),
        (Side.BUY, True, "the database is gone", "", False, "halted: the database is gone"),
        (Side.BUY, True, "", "mock prices", False, "mock prices"),
        (Side.BUY, True, "", "", True, "risk reset"),
        (Side.SELL, True, "", "", True, ""),
        (Side.SELL, True, "the database is gone", "", True, "halted"),
    ],
)
def test_a_persons_order_is_refused_with_the_reason(
    side: Side, has_begun: bool, halted: str, unfillable: str, must_be_flat: bool, words: str
) -> None:
    said = refusal(order(side), has_begun, halted, unfillable, must_be_flat)
    assert (words in said) if words else not said
