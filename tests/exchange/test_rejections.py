"""Each refusal with Kraken's code. A refused order holds nothing and shows no fill.

Book of `usual`: bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10; tick 0.1, lot 1e-8, minimum 0.00005 BTC and 0.5 USDT.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.orders import Limit, Market, OrderRequest, Side, StopLoss, TimeInForce
from triplegain.exchange.settings import AccountTier, ExchangeSettings

VOLUME, PRICE = "EGeneral:Invalid arguments:volume", "EGeneral:Invalid arguments:price"


@pytest.mark.parametrize(
    ("quantity", "terms", "more", "code"),
    [
        ("0.00004999", "100.0", {}, "EOrder:Order minimum not met"),  # 0.00004999 < 0.00005
        ("1e-9", "100.0", {}, "EOrder:Order minimum not met"),  # a tenth of a lot is cut to nothing
        ("1e-9", None, {}, "EOrder:Order minimum not met"),
        ("0.00005", "100.0", {}, "EOrder:Cost minimum not met"),  # 0.00005 x 100.0 = 0.005 < 0.5
        ("0.00499", None, {}, "EOrder:Cost minimum not met"),  # 0.00499 x 100.1 = 0.499499 < 0.5
        ("1", "100.05", {}, "EOrder:Tick size check failed"),
        ("1", StopLoss(Decimal("99.99")), {}, "EOrder:Tick size check failed"),
        ("1", "100.0", {"leverage": 2}, "EOrder:Margin allowance exceeded"),
        ("1", "100.0", {"leverage": 0}, "EGeneral:Invalid arguments:leverage"),
        ("1", Limit(Decimal("100.1"), post_only=True), {}, "EOrder:Post only order"),
        ("10000", "100.0", {}, "EOrder:Insufficient funds"),  # 1,000,000 + 0.4 % > 1,000,000
        ("NaN", "100.0", {}, VOLUME),
        ("sNaN", "100.0", {}, VOLUME),
        ("Infinity", None, {}, VOLUME),
        ("-1", "100.0", {}, VOLUME),
        ("0", "100.0", {}, VOLUME),
        ("1e60", "100.0", {}, VOLUME),  # more digits than exact arithmetic carries
        ("1." + "1" * 60, "100.0", {}, VOLUME),
        ("1", "NaN", {}, PRICE),
        ("1", "-Infinity", {}, PRICE),
        ("1", "-100.0", {}, PRICE),
        ("1", "0", {}, PRICE),
        ("1", "1e70", {}, PRICE),
        ("1", StopLoss(Decimal(0)), {}, PRICE),
        ("1", "100.0", {"time_in_force": TimeInForce.GTD}, "EGeneral:Invalid arguments:expiretm"),
        ("1", "100.0", {"time_in_force": TimeInForce.GTD, "expires_at_ns": 2}, "EGeneral:Invalid arguments:expiretm"),
        ("1", "100.0", {"expires_at_ns": 10**9}, "EGeneral:Invalid arguments:expiretm"),
        (
            "1",
            Limit(Decimal("100.0"), post_only=True),
            {"time_in_force": TimeInForce.IOC},
            "EGeneral:Invalid arguments:timeinforce",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_trace(
    usual: Any, quantity: str, terms: Any, more: dict[str, Any], code: str
) -> None:
    usual.order("x", "buy", quantity, terms, **more)
    assert usual.ends("x") == f"rejected: {code}"
    assert (usual.held("USDT"), usual.held("BTC"), usual.fills()) == ("0", "0", [])
    assert usual.exchange.orders == {}


@pytest.mark.parametrize("quantity", ["0.00005", "0.005"])
def test_the_minimum_itself_is_enough(usual: Any, quantity: str) -> None:
    usual.order("x", "buy", quantity, "100000.0" if quantity == "0.00005" else "100.0")  # 5 and exactly 0.5 USDT
    assert usual.ends("x") in ("open", "filled")


def test_an_unknown_pair_is_refused(usual: Any) -> None:
    usual.exchange.place(OrderRequest("x", "DOGE/USDT", Side.BUY, Decimal(1), Market()))
    assert usual.ends("x") == "rejected: EQuery:Unknown asset pair"


@pytest.mark.parametrize(
    ("side", "balances", "enough", "too_much"),
    [
        # a purchase: 99 x 100.0 x 1.004 = 9939.6; one lot more costs 0.000001004, charged in steps of 0.00001
        ("buy", {"USDT": "9939.6", "BTC": "0"}, "99", "99.00000001"),
        ("sell", {"USDT": "0", "BTC": "3"}, "3", "3.00000001"),
    ],
)
def test_funds_must_cover_the_worst_case_to_the_last_lot(
    bench: Callable[..., Any], side: str, balances: dict[str, str], enough: str, too_much: str
) -> None:
    price = "100.0" if side == "buy" else "100.1"
    for quantity, end in ((enough, "open"), (too_much, "rejected: EOrder:Insufficient funds")):
        b = bench(balances)
        b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
        b.order("x", side, quantity, price)
        assert b.ends("x") == end


def test_what_one_order_holds_another_cannot_have(bench: Callable[..., Any]) -> None:
    b = bench({"BTC": "1", "USDT": "0"})
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    b.order("one", "sell", "0.6", "101.0")
    b.order("two", "sell", "0.5", "101.0")
    assert (b.ends("one"), b.ends("two")) == ("open", "rejected: EOrder:Insufficient funds")
    b.cancel("one")
    b.order("three", "sell", "1", "101.0")
    assert b.ends("three") == "open"


@pytest.mark.parametrize(
    ("state", "plain", "post_only"),
    [
        (FeedState.CANCEL_ONLY, "EService:Market in cancel_only mode", "EService:Market in cancel_only mode"),
        (FeedState.POST_ONLY, "EService:Market in post_only mode", None),
        (FeedState.MAINTENANCE, "EService:Unavailable", "EService:Unavailable"),
        (FeedState.GAP, "EService:Unavailable", "EService:Unavailable"),
        (FeedState.STALE, "EService:Unavailable", "EService:Unavailable"),
        (FeedState.CHECKSUM_MISMATCH, "EService:Unavailable", "EService:Unavailable"),
    ],
)
def test_the_mode_of_the_market_decides_what_it_takes(
    usual: Any, state: FeedState, plain: str, post_only: str | None
) -> None:
    usual.order("before", "buy", "1", "99.0")
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, state))
    usual.order("plain", "buy", "1", "100.0")
    usual.order("post", "buy", "1", Limit(Decimal("100.0"), post_only=True))
    assert usual.ends("plain") == f"rejected: {plain}"
    assert usual.ends("post") == (f"rejected: {post_only}" if post_only else "open")
    usual.cancel("before")  # what we cannot see goes on there; what is closed takes no cancels either
    assert usual.ends("before").startswith("open" if state is FeedState.MAINTENANCE else "cancelled")


def test_a_crossed_book_does_not_end_a_maintenance(usual: Any) -> None:
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, FeedState.MAINTENANCE))
    usual.book(bids="100.3x1", at=11)
    usual.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=12)
    usual.order("early", "buy", "1", "100.0")
    usual.exchange.on_event(FeedStatus("BTC/USDT", 13, 13, FeedState.SYNCED))
    usual.order("later", "buy", "1", "100.0")
    assert (usual.ends("early"), usual.ends("later")) == ("rejected: EService:Unavailable", "open")


def test_a_market_that_reopens_crossed_stays_closed(usual: Any) -> None:
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 10, FeedState.MAINTENANCE))
    usual.book(bids="100.3x1", at=11)
    usual.exchange.on_event(FeedStatus("BTC/USDT", 12, 12, FeedState.SYNCED))
    usual.order("x", "buy", "1", "100.0")
    assert usual.ends("x") == "rejected: EService:Unavailable"


def test_no_order_before_the_first_book(bench: Callable[..., Any]) -> None:
    b = bench()
    b.order("x", "buy", "1", "100.0")
    assert b.ends("x") == "rejected: EService:Unavailable"


def test_a_market_order_with_nobody_on_the_other_side_is_refused(bench: Callable[..., Any]) -> None:
    b = bench()
    b.book(bids="100.0x5", snapshot=True)
    b.order("x", "buy", "1")
    assert b.ends("x") == "rejected: EService:Unavailable"


def test_open_orders_are_limited_per_pair_and_tier(bench: Callable[..., Any]) -> None:
    b = bench(settings=ExchangeSettings(place_delay_ns=0, account_tier=AccountTier.STARTER))
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=1)
    for number in range(61):
        b.book(bids="100.0x5", at=(number + 1) * 10**9)  # a second each: the rate counter stays low
        b.order(f"o{number}", "buy", "0.01", "90.0")
    assert b.ends("o59") == "open"
    assert b.ends("o60") == "rejected: EOrder:Orders limit exceeded"


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        (None, None, "EGeneral:Invalid arguments:amend"),
        (None, "100.05", "EOrder:Tick size check failed"),
        (None, "0.1", "EOrder:Cost minimum not met"),  # 1 x 0.1 = 0.1 < 0.5
        ("0.00001", None, "EOrder:Order minimum not met"),
        ("0.000000001", None, "EOrder:Order minimum not met"),  # less than a lot is no quantity, and no cancel
        ("100000", None, "EOrder:Insufficient funds"),
        ("-1", None, VOLUME),
        ("NaN", None, VOLUME),
        (None, "NaN", PRICE),
        (None, "-5", PRICE),
    ],
)
def test_an_amendment_that_cannot_be_leaves_the_order_as_it_was(
    usual: Any, quantity: str | None, price: str | None, code: str
) -> None:
    usual.order("bid", "buy", "1", "100.0")
    usual.amend("bid", quantity=quantity, price=price)
    assert usual.refused("bid") == [code]
    assert (usual.ends("bid"), usual.held("USDT")) == ("open", "100.4")
    usual.trade("sell", "5.25", "100.0")  # its place in the queue is the old one, too
    assert usual.fills() == ["0.25 @ 100 maker"]


def test_a_post_only_order_cannot_be_amended_into_a_taker(usual: Any) -> None:
    usual.order("bid", "buy", "1", Limit(Decimal("100.0"), post_only=True))
    usual.amend("bid", price="100.1")
    assert (usual.refused("bid"), usual.fills()) == (["EOrder:Post only order"], [])


def test_a_cancel_or_amend_of_nothing_is_an_unknown_order(usual: Any) -> None:
    usual.cancel("ghost")
    usual.amend("ghost", quantity="1")
    assert usual.refused("ghost") == ["EOrder:Unknown order", "EOrder:Unknown order"]


def test_the_same_client_order_id_is_the_same_order(usual: Any) -> None:
    usual.order("once", "buy", "0.5")
    usual.order("once", "buy", "0.5")
    usual.order("rejected", "buy", "0")
    usual.order("rejected", "buy", "1")
    assert usual.fills() == ["0.5 @ 100.1 taker"]
    assert usual.ends("rejected") == f"rejected: {VOLUME}"


def test_an_order_finer_than_a_lot_is_cut_and_never_rounded_up(usual: Any) -> None:
    usual.order("x", "buy", "0.019999999999", None)
    assert usual.fills() == ["0.01999999 @ 100.1 taker"]
