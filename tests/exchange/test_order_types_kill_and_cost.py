"""Fill or kill, and purchases at market by what they are to cost. Bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10, fee
0.4 %. Worked here."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.money import text
from triplegain.domain.orders import Limit, Market, SelfTradePrevention, StopLoss, TimeInForce
from triplegain.domain.terms import MarketByCost, OrderTerms, StopLossLimit, TakeProfitLimit

D = Decimal
KILLED = "cancelled: fill or kill: it could not be filled whole at once"


def kill(b: Any, side: str, quantity: str, terms: OrderTerms | str, **more: Any) -> None:
    b.order("k", side, quantity, terms, time_in_force=TimeInForce.FOK, **more)


@pytest.mark.parametrize(
    ("side", "quantity", "limit", "fills"),
    [
        ("buy", "1", "100.1", ["1 @ 100.1 taker"]),
        ("buy", "11", "100.2", ["1 @ 100.1 taker", "10 @ 100.2 taker"]),
        ("buy", "11.00000001", "100.2", []),
        ("buy", "1.00000001", "100.1", []),
        ("buy", "1", "100.0", []),
        ("sell", "5", "100.0", ["5 @ 100 taker"]),
        ("sell", "5.00000001", "99.0", []),
    ],
)
def test_all_of_it_at_once_or_nothing(usual: Any, side: str, quantity: str, limit: str, fills: list[str]) -> None:
    kill(usual, side, quantity, limit)
    assert usual.fills() == fills
    assert usual.ends("k") == ("filled" if fills else KILLED)
    assert (usual.held("USDT"), usual.held("BTC")) == ("0", "0")


def test_what_was_taken_already_is_not_there(usual: Any) -> None:
    usual.order("m", "buy", "0.5")
    kill(usual, "buy", "1", "100.1")
    assert usual.ends("k") == KILLED


@pytest.mark.parametrize("rule", list(SelfTradePrevention))
def test_what_stands_behind_an_own_order_does_not_count(usual: Any, rule: SelfTradePrevention) -> None:
    usual.order("own", "sell", "1", "100.1")  # behind the 1.0 that is shown
    kill(usual, "buy", "1", "100.2", self_trade=rule)
    assert usual.fills("k") == ["1 @ 100.1 taker"]
    usual.book(asks="100.1x0")
    usual.book(asks="100.1x1")
    usual.order("k2", "buy", "1.5", "100.2", time_in_force=TimeInForce.FOK, self_trade=rule)
    assert usual.ends("k2") == KILLED
    assert usual.ends("own") == "open"


def test_of_the_level_of_an_own_order_only_what_stands_before_it_counts(usual: Any) -> None:
    usual.order("own", "sell", "1", "100.1")
    usual.book(asks="100.1x0.4")
    usual.book(asks="100.1x1")  # 0.4 before it, 0.6 behind
    kill(usual, "buy", "0.5", "100.1")
    assert usual.ends("k") == KILLED
    usual.order("k2", "buy", "0.4", "100.1", time_in_force=TimeInForce.FOK)
    assert usual.fills("k2") == ["0.4 @ 100.1 taker"]


@pytest.mark.parametrize(
    ("terms", "more"),
    [(Market(), {}), (StopLoss(D("99.0")), {}), (Limit(D("99.0"), post_only=True), {})],
)
def test_only_what_has_a_limit_and_may_take_can_be_fill_or_kill(
    usual: Any, terms: OrderTerms, more: dict[str, Any]
) -> None:
    kill(usual, "sell", "1", terms, **more)
    assert usual.ends("k") == "rejected: EGeneral:Invalid arguments:timeinforce"


@pytest.mark.parametrize(
    ("terms", "quantity", "ends"),
    [
        (StopLossLimit(D("100.0"), D("99.0")), "4", "filled"),
        (StopLossLimit(D("100.0"), D("99.0")), "6", KILLED),
        (TakeProfitLimit(D("100.0"), D("100.0")), "4", "filled"),
    ],
)
def test_a_triggered_limit_is_filled_or_killed_at_its_trigger(
    usual: Any, terms: OrderTerms, quantity: str, ends: str
) -> None:
    kill(usual, "sell", quantity, terms)
    assert usual.ends("k") == "open"
    usual.trade("sell", "0.5", "100.0")  # of the 5.0
    assert usual.ends("k") == ends


# -- by cost -------------------------------------------------------------------------------------------------------


def spend(b: Any, cost: str, side: str = "buy", quantity: str = "0", **more: Any) -> None:
    b.order("c", side, quantity, MarketByCost(D(cost)), **more)


@pytest.mark.parametrize(
    ("cost", "fills", "left"),
    [
        # 50 / 100.1 = 0.4995004995..: cut to the lot; 0.49950049 x 100.1 = 49.999999049, up to 50, fee 0.2.
        ("50", ["0.49950049 @ 100.1 taker"], "999949.8"),
        # 1 x 100.1 = 100.1; the other 100 / 100.2 = 0.9980039920: 0.99800399 x 100.2 = 99.999999798, up to 100;
        # fees 0.4004 and 0.4.
        ("200.1", ["1 @ 100.1 taker", "0.99800399 @ 100.2 taker"], "999799.0996"),
        ("100.1", ["1 @ 100.1 taker"], "999899.4996"),
    ],
)
def test_it_buys_what_the_amount_pays_for_and_no_more(usual: Any, cost: str, fills: list[str], left: str) -> None:
    spend(usual, cost)
    assert usual.fills() == fills
    assert usual.ends("c") == "filled"
    assert (usual.total("USDT"), usual.held("USDT")) == (left, "0")


def test_what_the_book_does_not_show_is_cancelled(usual: Any) -> None:
    spend(usual, "2000")  # 100.1 + 1,002.0 are there
    assert usual.fills() == ["1 @ 100.1 taker", "10 @ 100.2 taker"]
    assert usual.ends("c") == "cancelled: no more visible liquidity"
    assert usual.held("USDT") == "0"


def test_amount_and_fee_are_held(bench: Callable[..., Any]) -> None:

    b = bench({"USDT": "100.4"})
    b.book(bids="100.0x5", asks="100.0x0 100.1x5", snapshot=True)
    spend(b, "100.01")
    assert b.ends("c") == "rejected: EOrder:Insufficient funds"  # 100.41004 with its fee
    b.order("d", "buy", "0", MarketByCost(D(100)))
    # 100 / 100.1 = 0.99900099..; 0.999000999 is no lot: 0.99900099 x 100.1 = 99.999999099, up to 100, fee 0.4.
    assert b.fills() == ["0.99900099 @ 100.1 taker"]
    assert (b.total("USDT"), b.held("USDT")) == ("0", "0")


@pytest.mark.parametrize(
    ("cost", "side", "quantity", "code"),
    [
        ("100", "sell", "0", "EGeneral:Invalid arguments:viqc"),
        ("100", "buy", "1", "EGeneral:Invalid arguments:viqc"),
        ("0", "buy", "0", "EGeneral:Invalid arguments:viqc"),
        ("0.004", "buy", "0", "EOrder:Order minimum not met"),  # 0.00003996 BTC
        ("0.49", "buy", "0", "EOrder:Cost minimum not met"),
    ],
)
def test_what_is_refused(usual: Any, cost: str, side: str, quantity: str, code: str) -> None:
    spend(usual, cost, side, quantity)
    assert usual.ends("c") == f"rejected: {code}"


def test_its_own_asks_are_in_the_way(usual: Any) -> None:
    usual.order("own", "sell", "1", "100.1")
    spend(usual, "200")
    assert usual.fills() == ["1 @ 100.1 taker"]
    assert usual.ends("c") == "cancelled: self-trade prevention"
    assert text(D(usual.held("USDT"))) == "0"
