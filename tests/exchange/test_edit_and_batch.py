"""Edits (cancel and new), batches, and what they cost.

Kraken on edit_order: "triggered stop loss or profit take profit orders are not supported. Orders with conditional close
terms attached are not supported. Orders where the executed volume is greater than the newly supplied volume will be
rejected. cl_ord_id is not supported. Existing executions will are associated with the original order and not copied to
the amended order. Queue position will not be maintained." On batch_add: "Validation is performed on the whole batch
prior to submission to the engine. If an order fails validation, the whole batch will be rejected. On submission to the
engine, if an order fails pre-match checks (i.e. funding), then the individual order will be rejected and remainder of
the batch will be processed." The cases are worked here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.orders import Limit, OrderOptions, StopLoss
from triplegain.exchange.rate_limit import batch_cost, edit_penalty
from triplegain.exchange.settings import AccountTier, ExchangeSettings

EDITED = "cancelled: edited: another order takes its place"


def edit(b: Any, old: str, new: str, quantity: str, price: Any, side: str = "buy") -> None:
    b.order(new, side, quantity, price, options=OrderOptions(replaces=old))


def test_an_edit_ends_the_order_and_begins_another_at_the_back(usual: Any) -> None:
    usual.order("old", "buy", "1", "100.0")  # 5.0 in front
    usual.trade("sell", "5", "100.0")  # nobody is any more
    usual.book(bids="100.0x4")
    edit(usual, "old", "new", "2", "100.0")
    assert (usual.ends("old"), usual.ends("new"), usual.held("USDT")) == (EDITED, "open", "200.8")
    usual.trade("sell", "4.5", "100.0")  # 4.0 in front
    assert usual.fills() == ["0.5 @ 100 maker"]


def test_an_edit_may_use_what_the_order_held(bench: Callable[..., Any]) -> None:
    b = bench({"USDT": "100.4", "BTC": "0"})
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    b.order("old", "buy", "1", "100.0")  # holds all of it
    edit(b, "old", "dear", "1", "100.1")  # 100.1 x 1.004 = 100.5004
    assert b.ends("dear") == "rejected: EOrder:Insufficient funds"
    edit(b, "old", "new", "1", "99.0")
    assert (b.ends("old"), b.ends("new"), b.held("USDT")) == (EDITED, "open", "99.396")


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        ("1", "100.05", "EOrder:Tick size check failed"),
        ("0.00001", "100.0", "EOrder:Order minimum not met"),
        ("1", "0.1", "EOrder:Cost minimum not met"),
        ("0.5", "100.0", "EGeneral:Invalid arguments:volume"),  # 0.6 of it is filled
        ("1", Limit(Decimal("100.1"), post_only=True), "EOrder:Post only order"),
    ],
)
def test_an_edit_that_cannot_be_leaves_the_order_with_its_place(
    usual: Any, quantity: str, price: Any, code: str
) -> None:
    usual.order("old", "buy", "1", "100.0")
    usual.trade("sell", "5.6", "100.0")
    edit(usual, "old", "new", quantity, price)
    assert (usual.ends("new"), usual.ends("old"), usual.held("USDT")) == (f"rejected: {code}", "open", "40.16")
    usual.trade("sell", "0.4", "100.0")
    assert usual.ends("old") == "filled"


@pytest.mark.parametrize("old", ["ghost", "done"])
def test_an_edit_of_what_is_not_open_is_an_unknown_order(usual: Any, old: str) -> None:
    usual.order("done", "buy", "1", "100.1")
    edit(usual, old, "new", "1", "99.0")
    assert usual.ends("new") == "rejected: EOrder:Unknown order"


def test_what_cannot_be_edited(usual: Any) -> None:
    usual.order("linked", "buy", "1", "100.0", options=OrderOptions(close=Limit(Decimal("110.0"))))
    edit(usual, "linked", "a", "1", "99.0")
    usual.order("other side", "buy", "1", "99.0")
    edit(usual, "other side", "b", "1", "101.0", side="sell")
    assert {usual.ends("a"), usual.ends("b")} == {"rejected: EGeneral:Invalid arguments"}


def test_a_stop_that_has_not_fired_can_be_edited(usual: Any) -> None:
    usual.stop("old", "sell", "1", "99.0")
    edit(usual, "old", "new", "2", StopLoss(Decimal("98.0")), side="sell")
    assert (usual.ends("old"), usual.ends("new"), usual.held("BTC")) == (EDITED, "open", "2")


@pytest.mark.parametrize(
    ("seconds", "penalty"),
    [(0, 6), (4, 6), (5, 5), (9, 5), (10, 4), (14, 4), (15, 2), (44, 2), (45, 1), (89, 1), (90, 0)],
)
def test_what_an_edit_of_a_young_order_costs(seconds: int, penalty: int) -> None:
    assert edit_penalty(seconds * SECOND_NS) == penalty * 1000


def counted(bench: Callable[..., Any]) -> Any:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, cancel_delay_ns=0, account_tier=AccountTier.STARTER))
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=SECOND_NS)
    return b


def test_an_edit_is_charged_by_the_age_of_the_order_and_a_refused_one_the_fixed_part(
    bench: Callable[..., Any],
) -> None:
    b = counted(bench)
    b.order("old", "buy", "1", "99.0")
    edit(b, "old", "bad", "1", "99.05")
    assert b.market.rate.value == 2000  # 1 + 1
    edit(b, "old", "new", "1", "98.0")
    assert b.market.rate.value == 9000  # + 1 + 6


# -- batches -------------------------------------------------------------------------------------------------------


def batch(b: Any, *orders: tuple[str, str, Any]) -> None:
    b.exchange.place_batch([b.request(name, "buy", quantity, price) for name, quantity, price in orders])
    b.exchange.run_through(b.exchange.now_ns)


def test_a_batch_is_taken_in_its_order(usual: Any) -> None:
    batch(usual, ("a", "0.8", "100.2"), ("b", "1", "100.2"), ("c", "1", "99.0"))
    assert usual.fills() == ["0.8 @ 100.1 taker", "0.2 @ 100.1 taker", "0.8 @ 100.2 taker"]
    assert usual.ends("c") == "open"


def test_one_that_is_not_valid_refuses_the_whole_batch(usual: Any) -> None:
    batch(usual, ("a", "1", "99.0"), ("b", "1", "99.05"), ("c", "0.00001", "99.0"))
    tick, minimum = "rejected: EOrder:Tick size check failed", "rejected: EOrder:Order minimum not met"
    assert [usual.ends(name) for name in "abc"] == [tick, tick, minimum]
    assert (usual.held("USDT"), usual.exchange.orders) == ("0", {})


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (("b", "9000", "100.0"), "EOrder:Insufficient funds"),
        (("b", "1", Limit(Decimal("100.1"), post_only=True)), "EOrder:Post only order"),
    ],
)
def test_one_that_fails_at_the_engine_is_refused_alone(usual: Any, second: tuple[str, str, Any], code: str) -> None:
    batch(usual, ("a", "2000", "100.0"), second, ("c", "1", "99.0"))
    assert [usual.ends(name) for name in "abc"] == ["open", f"rejected: {code}", "open"]


def test_a_known_id_is_not_sent_again(usual: Any) -> None:
    batch(usual, ("a", "1", "99.0"), ("b", "1", "99.0"))
    batch(usual, ("a", "1", "99.0"), ("b", "1", "99.0"))
    assert usual.held("USDT") == "198.792"  # 2 x 99.0 x 1.004


def test_a_batch_of_known_ids_holds_nothing_up(bench: Callable[..., Any]) -> None:
    """It would arrive 100 later; a cancel takes 10."""
    settings = ExchangeSettings(place_delay_ns=100, cancel_delay_ns=10, account_tier=AccountTier.UNLIMITED)
    b = bench(settings=settings)
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=10)
    batch(b, ("a", "1", "99.0"), ("b", "1", "98.0"))
    b.book(bids="100.0x4", at=200)
    batch(b, ("a", "1", "99.0"), ("b", "1", "98.0"))
    b.cancel("a")
    b.book(bids="100.0x3", at=210)
    assert b.ends("a") == "cancelled: User requested"


def test_a_batch_costs_half_and_cancels_cost_each(bench: Callable[..., Any]) -> None:
    assert [batch_cost(number) for number in (2, 3, 15)] == [1000, 1500, 7500]
    b = counted(bench)
    batch(b, ("a", "1", "99.0"), ("b", "1", "98.0"), ("c", "1", "97.0"))
    assert b.market.rate.value == 1500
    numbers = b.exchange.cancel_batch(["a", "b"])
    b.exchange.run_through(b.exchange.now_ns)
    assert b.market.rate.value == 17_500  # + 2 x 8
    assert [b.ends(name) for name in "abc"] == ["cancelled: User requested", "cancelled: User requested", "open"]
    assert sorted(b.exchange.account.answers.drain_answered().values()) == sorted(numbers)


def test_a_batch_that_is_refused_is_charged(bench: Callable[..., Any]) -> None:
    b = counted(bench)
    batch(b, ("a", "1", "99.05"), ("b", "1", "98.0"))
    assert b.market.rate.value == 1000
