"""What a person may send, and when not."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import Market, OrderOptions, OrderRequest, Side
from triplegain.domain.refusals import Code
from triplegain.domain.values import EXPIRY_NS_MAX, EXPIRY_NS_MIN, TIME_NS_MAX
from triplegain.session.order_by_hand import check_batch, check_batch_cancel, refusal

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
        (NOW_NS + EXPIRY_NS_MIN, False),
        (NOW_NS + EXPIRY_NS_MIN - 1, True),
        (NOW_NS + 1, True),
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
def test_an_order_expires_after_five_seconds_and_within_krakens_month(expires_ns: int | None, is_refused: bool) -> None:
    said = refusal(order(expires_ns=expires_ns), NOW_NS, True, "", "", False)
    assert (None if said is None else said.code) is (Code.INVALID_EXPIRY if is_refused else None)


@pytest.mark.parametrize(("ahead_ns", "is_refused"), [(EXPIRY_NS_MAX, False), (EXPIRY_NS_MAX + 1, True), (-1, False)])
def test_an_order_starts_within_a_month(ahead_ns: int, is_refused: bool) -> None:
    asked = msgspec.structs.replace(order(), options=OrderOptions(starts_at_ns=NOW_NS + ahead_ns))
    said = refusal(asked, NOW_NS, True, "", "", False)
    assert (None if said is None else said.code) is (Code.INVALID_START if is_refused else None)


@pytest.mark.parametrize(("count", "is_refused"), [(1, True), (2, False), (15, False), (16, True)])
def test_a_batch_has_2_to_15_orders(count: int, is_refused: bool) -> None:
    said = check_batch([order(name=f"o{number}") for number in range(count)])
    assert (None if said is None else said.code) is (Code.INVALID_BATCH if is_refused else None)


def test_a_batch_is_of_one_pair_and_each_order_has_a_name_of_its_own() -> None:
    other = msgspec.structs.replace(order(name="b"), symbol="XRP/USDT")
    assert check_batch([order(name="a"), other]) is not None
    assert check_batch([order(name="a"), order(name="a")]) is not None


@pytest.mark.parametrize(("count", "is_refused"), [(1, True), (2, False), (50, False), (51, True)])
def test_2_to_50_orders_are_cancelled_together(count: int, is_refused: bool) -> None:
    assert (check_batch_cancel(["o"] * count) is not None) is is_refused
