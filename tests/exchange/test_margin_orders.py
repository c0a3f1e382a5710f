"""Several orders with leverage beside each other: what each of them closes, needs and holds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.exchange.margin_bench import FREE, USUAL, USUAL_FEES, MarginBench, btc

from triplegain.domain.ids import Origin
from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.market import MarketDepth
from triplegain.domain.money import atoms
from triplegain.domain.orders import Market, OrderOptions, OrderTerms, StopLoss
from triplegain.domain.terms import SettlePosition, StopLossLimit
from triplegain.execution.hodl.allocation import HodlAccount
from triplegain.execution.order_manager import OrderManager

REDUCES = OrderOptions(reduce_only=True)


def long_of_40(balance: str = "1000") -> MarginBench:
    """40 at 100 with leverage 5: 800 are used."""
    b = MarginBench({"USDT": balance})
    b.market_at("99.9", "100.0")
    b.trade("buy", "0.0001", "100.0")
    b.open("long", "buy", "40", 5)
    return b


def edit(b: MarginBench, name: str, replaced: str, quantity: str, price: str, **more: Any) -> None:
    b.order(name, "buy", quantity, price, options=OrderOptions(replaces=replaced), **more)


# -- several orders that close --------------------------------------------------------------------------------------


def test_one_position_is_closed_by_one_order_and_the_others_need_margin() -> None:
    """Each of the others would open 40 at 101: 808 of margin, and 200 are free."""
    b = long_of_40()
    for number in range(5):
        b.open(f"o{number}", "sell", "40", 5, "101.0")
    assert [b.ends(f"o{number}") for number in range(5)] == ["open"] + ["rejected: EOrder:Insufficient margin"] * 4
    b.trade("buy", "1000", "101.1")
    assert (b.positions, b.total("USDT")) == ([], "1040")


def test_what_the_others_open_is_counted_with_those_before_them() -> None:
    """3,000: 2,200 are free, and of the others each needs 808."""
    b = long_of_40("3000")
    for number in range(5):
        b.open(f"o{number}", "sell", "40", 5, "101.0")
    ends = [b.ends(f"o{number}") for number in range(5)]
    assert ends == ["open"] * 3 + ["rejected: EOrder:Insufficient margin"] * 2


def test_the_first_one_closes_what_orders_before_it_leave() -> None:
    """25 close, 15 of the next 20 close, and 5 open: 101 of margin; 99 of 200 are left, which carry 4.9 at 101."""
    b = long_of_40()
    b.open("first", "sell", "25", 5, "101.0")
    b.open("second", "sell", "20", 5, "101.0")
    b.open("more", "sell", "5", 5, "101.0")
    b.open("less", "sell", "4.9", 5, "101.0")
    assert [b.ends(name) for name in ("first", "second", "more", "less")] == [
        "open", "open", "rejected: EOrder:Insufficient margin", "open",
    ]  # fmt: skip


def test_one_that_waits_is_behind_those_that_only_reduce_and_one_on_the_market_is_not() -> None:
    b = long_of_40()
    b.open("stop", "sell", "40", 5, StopLoss(Decimal("95.0")), options=REDUCES)
    b.open("waits", "sell", "40", 5, "101.0")
    b.open("out", "sell", "40", 5)
    assert b.ends("waits") == "rejected: EOrder:Insufficient margin"
    assert (b.ends("out"), b.positions) == ("filled", [])
    assert b.ends("stop") == "cancelled: reduce only: the position is closed"


def test_a_leverage_that_is_not_offered_only_closes() -> None:
    """10 is the most: 50 is for what takes the position off, never more of it, and over with it."""
    b = long_of_40("100000")
    b.open("closes", "sell", "40", 50, "101.0")
    b.open("again", "sell", "40", 50, "101.0")
    assert (b.ends("closes"), b.ends("again")) == ("open", "rejected: EOrder:Margin allowance exceeded")
    b.amend("closes", quantity="41")
    assert b.refused("closes") == ["EOrder:Margin allowance exceeded"]
    b.open("out", "sell", "40", 5)
    assert (b.positions, b.ends("closes")) == ([], "cancelled: reduce only: the position is closed")


def test_what_takes_all_of_a_position_off_has_no_minimum() -> None:
    """0.00005 is the least of an order, and 0.5 what it costs; 0.00002 stay of a short, which are worth 0.002."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.trade("buy", "0.0001", "100.0")
    b.open("short", "sell", "1", 5)
    b.open("most", "buy", "0.99998", 5, options=REDUCES)
    b.open("opens", "buy", "0.00002", 5)
    b.open("part", "buy", "0.00001", 5, options=REDUCES)
    assert [b.ends(name) for name in ("most", "opens", "part")] == [
        "filled", "rejected: EOrder:Order minimum not met", "rejected: EOrder:Order minimum not met",
    ]  # fmt: skip
    b.open("stop", "buy", "0.00002", 5, StopLoss(Decimal("105.0")), options=REDUCES)
    b.amend("stop", price="104.0")
    b.amend("stop", quantity="0.00001")
    assert b.refused("stop") == ["EOrder:Order minimum not met"]
    assert len(b.positions) == 1
    b.open("out", "buy", "0.00003", 5, options=REDUCES)
    assert (b.ends("out"), b.positions) == ("filled", [])
    assert b.ends("stop") == "cancelled: reduce only: the position is closed"


@pytest.mark.parametrize(("quantity", "refused"), [("41.9", []), ("42", ["EOrder:Insufficient margin"])])
def test_an_amendment_counts_what_orders_before_it_close(quantity: str, refused: list[str]) -> None:
    """20 are closed by the first one, 20 by the second, which opens what is above: 200 carry 9.9 at 101.0."""
    b = long_of_40()
    b.open("first", "sell", "20", 5, "101.0")
    b.open("second", "sell", "20", 5, "101.0")
    b.open("third", "sell", "8", 5, "101.0")
    b.amend("second", quantity=str(Decimal(quantity) - 20))
    assert b.refused("second") == refused


@pytest.mark.parametrize(("quantity", "ends"), [("50", "open"), ("50.1", "rejected: EOrder:Insufficient margin")])
def test_an_edit_needs_what_the_new_order_needs(quantity: str, ends: str) -> None:
    """40 at 100 with leverage 5 may need 800 of 1,000; 50 need all of it."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("100.1", "100.2")
    b.open("waits", "buy", "40", 5, "100.0")
    edit(b, "other", "waits", quantity, "100.0", leverage=5)
    assert b.ends("other") == ends


@pytest.mark.parametrize(("quantity", "ends"), [("40", "open"), ("40.1", "rejected: EOrder:Insufficient margin")])
def test_what_bids_may_spend_stands_for_nothing(quantity: str, ends: str) -> None:
    """1,000, of which two bids hold 90 and 110: 800 are left, which carry 40 at 100 with leverage 5. The sale of coins
    spends none."""
    b = MarginBench({"USDT": "1000", "BTC": "1"}, replace(FREE, collateral={"USDT": Decimal(1)}))
    b.market_at("100.1", "100.2")
    b.order("bid", "buy", "1", "90.0")
    b.order("lower", "buy", "1", StopLossLimit(Decimal("110.0"), Decimal("90.0")))
    b.order("ask", "sell", "1", "110.0")
    b.open("long", "buy", quantity, 5, "100.0")
    assert b.ends("long") == ends


def test_the_edit_of_what_closes_closes() -> None:
    """At 5 times as well as at a leverage that is not offered."""
    for leverage in (5, 50):
        b = long_of_40()
        b.open("closes", "sell", "40", leverage, "101.0")
        b.order("other", "sell", "40", "102.0", leverage=leverage, options=OrderOptions(replaces="closes"))
        assert (b.ends("other"), b.ends("closes").partition(":")[0]) == ("open", "cancelled")


def test_an_edit_into_a_sale_of_coins_has_no_coins_of_the_fees_that_were_held() -> None:
    """10 x 110 with leverage hold 4.4 and 0.11 USDT; of coins there is 1."""
    b = MarginBench({"USDT": "1000", "BTC": "1"}, USUAL, instrument=btc(USUAL_FEES))
    b.market_at("99.9", "100.0")
    b.open("lent", "sell", "10", 5, "110.0")
    b.order("coins", "sell", "2", "110.0", options=OrderOptions(replaces="lent"))
    assert (b.held("USDT"), b.ends("coins"), b.ends("lent")) == ("4.51", "rejected: EOrder:Insufficient funds", "open")


# -- orders that only reduce ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "ends"),
    [
        (Market(), "rejected: EOrder:Reduce only:No position exists"),
        (SettlePosition(), "rejected: EOrder:Unknown position"),
    ],
)
def test_of_a_batch_the_second_finds_nothing_left(terms: OrderTerms, ends: str) -> None:
    """Each was valid when they arrived; the first one closes everything."""
    b = long_of_40("9000")
    more = {"leverage": 5, "options": OrderOptions() if terms.settles else REDUCES}
    b.exchange.place_batch([b.request(name, "sell", "40", terms, **more) for name in ("first", "second")])
    b.exchange.run_through(b.exchange.now_ns)
    assert (b.ends("first"), b.ends("second"), b.positions) == ("filled", ends, [])


def test_one_that_waits_for_its_time_finds_nothing_left() -> None:
    b = long_of_40()
    at = b.exchange.now_ns + 100
    b.open("later", "sell", "40", 5, "110.0", options=OrderOptions(reduce_only=True, starts_at_ns=at))
    b.open("out", "sell", "40", 5)
    b.trade("buy", "0.1", "100.0", at=at)
    assert b.ends("later") == "rejected: EOrder:Reduce only:No position exists"


@pytest.mark.parametrize(
    ("balance", "quantity", "ends", "left"),
    [
        # The stop loses 200. The limit would open 40 at 101: 808 of margin.
        ("1007.9", "40", "cancelled: what it was to close is closed", None),
        ("1008", "40", "open", "40"),
        # 25 are sold and lose 125, 15 stay, of which 300 are used and 75 are lost. It closes 15 and opens 25: 505.
        ("1004.9", "25", "open", "15"),
        ("1005", "25", "open", "40"),
    ],
)
def test_what_was_to_close_is_judged_anew_when_others_have_closed(
    balance: str, quantity: str, ends: str, left: str | None
) -> None:
    b = long_of_40(balance)
    b.open("limit", "sell", "40", 5, "101.0")
    b.open("stop", "sell", quantity, 5, StopLoss(Decimal("95.0")), options=REDUCES)
    b.market_at("95.0", "95.1")
    assert b.ends("stop") == "filled"
    assert b.ends("limit").startswith(ends)
    assert left is None or b.exchange.orders["limit"].left == int(left) * 10**8
    b.market_at("101.1", "101.2")
    assert b.positions == ([] if left != "40" else [f"sell {quantity} for {int(quantity) * 101}"])


def test_the_fees_of_what_it_opens_now_are_held() -> None:
    """40 at 101 with 0.4 % and 0.01 % of the coins: 16.16 and 0.404."""
    b = MarginBench({"USDT": "9000"}, USUAL, instrument=btc(USUAL_FEES))
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "40", 5)
    b.open("limit", "sell", "40", 5, "101.0")
    assert b.held("USDT") == "0"
    b.open("out", "sell", "40", 5, options=REDUCES)
    assert (b.positions, b.ends("limit"), b.held("USDT")) == ([], "open", "16.564")


# -- coins beside positions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quantity", "ends"), [("4", "rejected: EOrder:Insufficient funds"), ("3", "open")])
def test_the_edit_of_a_bid_has_what_that_one_held_and_no_more(quantity: str, ends: str) -> None:
    """1,000, of which 800 are used and a bid holds 180. At 99.2 the position has lost 32: 168 are free, so that nothing
    is left beside the bid: an edit may come to 168, not to 180: 4 x 45 is too much, 3 x 45 is not."""
    b = long_of_40()
    b.order("bid", "buy", "2", "90.0")
    b.market_at("99.2", "100.0")
    edit(b, "other", "bid", quantity, "45.0")
    assert b.ends("other") == ends
    assert b.ends("bid").partition(":")[0] == ("open" if ends != "open" else "cancelled")


def test_nothing_is_gained_by_an_edit_where_prices_are_not_known() -> None:
    """Half a coin of ether is collateral, and nobody knows its price."""
    b = long_of_40()
    b.order("bid", "buy", "2", "90.0")
    b.wallet.deposit({"ETH": atoms(Decimal("0.5"))}, 5)
    edit(b, "other", "bid", "1", "90.0")
    assert (b.ends("other"), b.ends("bid")) == ("rejected: EOrder:Insufficient funds", "open")


def test_an_amendment_spends_no_margin_either() -> None:
    """200 are free: 2.2 at 90 are 198, 2.3 are 207. Of less there is always enough."""
    b = long_of_40()
    b.order("bid", "buy", "1", "90.0")
    b.amend("bid", quantity="2.3")
    assert (b.refused("bid"), b.held("USDT")) == (["EOrder:Insufficient funds"], "90")
    b.amend("bid", quantity="2.2")
    assert b.held("USDT") == "198"
    b.market_at("99.0", "100.0")  # 160 are free
    b.amend("bid", quantity="2.1")
    assert (len(b.refused("bid")), b.held("USDT")) == (1, "189")


@pytest.mark.parametrize(("quantity", "ends"), [("2.8", "filled"), ("2.81", "rejected: EOrder:Insufficient funds")])
def test_what_an_order_with_leverage_may_need_buys_no_coins(quantity: str, ends: str) -> None:
    """40 at 90 with leverage 5 may need 720 of 1,000, and nothing is open yet."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.trade("buy", "0.0001", "100.0")
    b.open("waits", "buy", "40", 5, "90.0")
    b.order("coins", "buy", quantity)
    assert b.ends("coins") == ends


def test_the_fees_that_it_holds_are_tied_once() -> None:
    """40 at 90 need 720, and 0.4 % and 0.025 % of 3,600: 15.3. 264.7 are left, of which 2.63 at 100.4 are 264.052."""
    for quantity, ends in (("2.63", "filled"), ("2.64", "rejected: EOrder:Insufficient funds")):
        b = MarginBench({"USDT": "1000"}, USUAL, instrument=btc(USUAL_FEES))
        b.market_at("99.9", "100.0")
        b.trade("buy", "0.0001", "100.0")
        b.open("waits", "buy", "40", 5, "90.0")
        b.order("coins", "buy", quantity)
        assert (b.held("USDT"), b.ends("coins")) == ("15.3", ends)


def test_a_purchase_that_slips_spends_no_margin_either() -> None:
    """On a tape 40 are sold at 99.9: 1,000 - 4 - 800 = 196 are free, and 1.9 at 100.1 hold 190.19 of them. The next
    trade is at 100.5, which leaves less than that free, and is paid with 100.7: 191.33, and without parts nothing."""
    b = MarginBench({"USDT": "1000"}, depth=MarketDepth.TAPE)
    b.trade("sell", "1000", "100.0")
    b.open("short", "sell", "40", 5)
    b.trade("sell", "1000", "100.0")
    assert b.positions == ["sell 40 for 3996"]
    b.order("coins", "buy", "1.9")
    assert b.held("USDT") == "190.19"
    b.trade("sell", "1000", "100.5")
    assert (b.fills("coins"), b.ends("coins").partition(":")[0]) == ([], "cancelled")


def test_money_set_aside_buys_coins_beside_positions() -> None:
    """Of 1,000 150 are set aside: 50 are free beside the 800 that are used, and the bag buys for all of its 150."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.trade("buy", "0.0001", "100.0")
    assert b.wallet.set_aside("USDT", atoms(Decimal(150)), 5)
    b.open("long", "buy", "40", 5)
    b.order("bag", "buy", "1.5", origin=Origin.HODL)
    assert (b.ends("bag"), b.wallet.total("BTC", LedgerAccount.HODL)) == ("filled", atoms(Decimal("1.5")))


def test_no_more_is_set_aside_than_is_free() -> None:
    b = long_of_40()
    desk = cast(OrderManager, SimpleNamespace(free=lambda asset: Decimal(1000)))
    account = HodlAccount(b.wallet, desk, b.exchange.account.lending)
    assert account.free("USDT") == 200
    assert not account.set_aside("USDT", Decimal("200.01"), 5)
    b.market_at("90.0", "90.1")
    assert account.free("USDT") == 0


# -- on the market --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "quantity", "ends"),
    [
        ("buy", "28.18", "filled"),
        ("buy", "28.19", "rejected: EOrder:Insufficient margin"),
        ("sell", "30", "filled"),
        ("sell", "30.01", "rejected: EOrder:Insufficient margin"),
    ],
)
def test_an_order_on_the_market_is_judged_by_the_book(side: str, quantity: str, ends: str) -> None:
    """With leverage 5. Bought 10 at 100 and n at 120: 200 + 24 n of margin, and 20 n lost: 18.18 need 999.92. Sold 10
    at 100 and n at 80: 200 + 20 n, and 20 n lost: 20 need all of 1,000."""
    b = MarginBench({"USDT": "1000"})
    if side == "buy":
        b.book(bids="99.9x10", asks="100.0x10 120.0x1000", snapshot=True)
    else:
        b.book(bids="100.0x10 80.0x1000", asks="100.1x10", snapshot=True)
    b.open("o", side, quantity, 5)
    assert b.ends("o") == ends


@pytest.mark.parametrize(("quantity", "ends"), [("30", "filled"), ("30.1", "rejected: EOrder:Insufficient margin")])
def test_what_closes_takes_the_best_of_it(quantity: str, ends: str) -> None:
    """800 are free beside 10 at 100; 10 are closed at 100, and 20 opened at 80: 400 of margin, and 400 lost."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "10", 5)
    b.trade("buy", "0.0001", "100.0")
    b.book(bids="100.0x10 80.0x1000", asks="100.1x10", snapshot=True)
    b.open("turn", "sell", quantity, 5)
    assert b.ends("turn") == ends


def test_a_closing_order_that_is_made_larger_leaves_those_after_it_what_they_close() -> None:
    """45 are long. One sells 1 of them and the next 44; when the first sells all 45, the second would open 44 at 106
    with leverage 2: 2,332 of margin, and there are 100 free."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "45", 5)
    b.open("first", "sell", "1", 5, "105.0")
    b.open("second", "sell", "44", 2, "106.0")
    b.amend("first", quantity="45")
    assert b.ends("first") == "open"
    assert b.ends("second").startswith("cancelled: what it was to close is closed")
    b.book(bids="99.9x0 106.5x1000", asks="100.0x0 106.6x1000")
    b.trade("buy", "1000", "106.6")
    assert b.positions == []
