"""What a person may send, and when not."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import Market, OrderRequest, Side
from triplegain.domain.refusals import Code
from triplegain.domain.values import EXPIRY_NS_MAX, TIME_NS_MAX
from triplegain.session.order_by_hand import refusal

NOW_NS = 1_767_225_600 * SECOND_NS


def order(side: Side = Side.BUY, name: str = "mine", expires_ns: int | None = None) -> OrderRequest:
    asked = OrderRequest(name, "BTC/USDT", side, Decimal(1), Market())
    return msgspec.structs.replace(asked, expires_at_ns=expires_ns)


@pytest.mark.parametrize(
    ("side", "has_begun", "halted", "unfillable", "must_be_flat", "code", "words"),
    [
        (Side.BUY, True, "", "", False, None, ""),
        (Side.BUY, False, "", "", False, Code.NOT_READY, "has not started"),
        (Side.BUY, True, "the database is gone", "", False, Code.HALTED, "halted: the database is gone"),
        (Side.BUY, True, "", "mock prices", False, Code.REFUSED, "mock prices"),
        (Side.BUY, True, "", "", True, Code.REFUSED, "risk reset"),
        (Side.SELL, True, "", "", True, None, ""),
        (Side.SELL, True, "the database is gone", "", True, Code.HALTED, "halted"),
    ],
)
def test_a_persons_order_is_refused_with_the_reason(
    side: Side, has_begun: bool, halted: str, unfillable: str, must_be_flat: bool, code: Code | None, words: str
) -> None:
    said = refusal(order(side), NOW_NS, has_begun, halted, unfillable, must_be_flat)
    assert (None if said is None else said.code) is code
    assert said is None or words in said.reason


@pytest.mark.parametrize(
    ("expires_ns", "is_refused"),
    [
        (None, False),
        (NOW_NS + 1, False),
        (NOW_NS + EXPIRY_NS_MAX, False),
        (NOW_NS, True),
        (0, True),
        (-(10**18), True),
        (NOW_NS + EXPIRY_NS_MAX + 1, True),
        (TIME_NS_MAX, True),
        # 9,999,999 days: more than a bigint holds.
        (NOW_NS + 9_999_999 * 86_400 * SECOND_NS, True),
    ],
)
def test_an_order_expires_after_now_and_within_krakens_month(expires_ns: int | None, is_refused: bool) -> None:
    said = refusal(order(expires_ns=expires_ns), NOW_NS, True, "", "", False)
    assert (None if said is None else said.code) is (Code.INVALID_EXPIRY if is_refused else None)
