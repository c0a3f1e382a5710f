"""What an account tells, holds and pays, to the atom, where other cases look at the whole only. Worked here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import INSTRUMENT, NO_DELAY, Bench
from tests.exchange.margin_bench import MarginBench

from triplegain.domain.exchange_events import (
    OrderAmended,
    OrderFilled,
    OrderPriced,
    OrderRefilled,
    OrderRejected,
)
from triplegain.domain.market import MarketDepth
from triplegain.domain.money import atoms, text
from triplegain.domain.orders import FeePreference, Market, OrderOptions, OrderRequest, Side
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import Iceberg, SettlePosition, TakeProfitLimit, TrailingStopLimit
from triplegain.exchange.charges import worst
from triplegain.exchange.order import WorkingOrder

D = Decimal
REDUCES = OrderOptions(reduce_only=True)


def amended(b: Bench, name: str) -> list[tuple[str, str, bool]]:
    """Quantity, price and whether the place in the queue is kept, of each."""
    return [
        (text(each.quantity), text(each.price), each.queue_kept)
        for each in b.drain()
        if isinstance(each, OrderAmended) and each.client_order_id == name
    ]


def reasons(b: Bench) -> list[str]:
    return [event.reason for event in b.drain() if isinstance(event, OrderRejected)]


# -- answers -------------------------------------------------------------------------------------------------------


def test_the_answer_to_a_cancel_is_one_and_what_follows_answers_none(usual: Bench) -> None:
    usual.order("bid", "buy", "1", "90.0")
    usual.cancel("bid")
    answered = usual.exchange.account.answers.drain_answered()
    assert list(answered.values()) == [usual.exchange.last_command]
    usual.order("next", "buy", "1", "90.0")
    usual.exchange.cancel("next")
    usual.trade("sell", "1", "100.0")
    assert list(usual.exchange.account.answers.drain_answered().values()) == [usual.exchange.last_command]


def test_a_slice_or_a_price_of_its_own_gives_an_order_its_place(usual: Bench) -> None:
    """The number of the answer that tells of it: who came first has the lower one."""
    usual.order("ice", "buy", "2", Iceberg(D("100.0"), D(1)))
    usual.trade("sell", "6", "100.0")
    refilled = [event.sequence for event in usual.drain() if isinstance(event, OrderRefilled)]
    assert [usual.exchange.orders["ice"].place] == refilled
    usual.order("trail", "sell", "1", TrailingStopLimit(Offset(Sign.PLUS, D(5)), Offset(Sign.MINUS, D(1))))
    usual.trade("sell", "1", "94.0")
    priced = [event.sequence for event in usual.drain() if isinstance(event, OrderPriced)]
    assert usual.exchange.orders["trail"].place == priced[-1]


# -- orders that only reduce ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "told"),
    [("3", [("2", "120", True)]), ("2", []), ("1", [])],
)
def test_an_order_that_is_cut_to_the_position_says_so(quantity: str, told: list[tuple[str, str, bool]]) -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "2", 5)
    b.open("out", "sell", quantity, 5, "120.0", options=REDUCES)
    assert amended(b, "out") == told
    assert amended(b, "long") == []


def test_what_has_been_filled_of_it_still_counts_when_it_is_cut() -> None:
    """0.5 of 2 filled; of the 1.5 that are open others close 1: 0.5 and 0.5 left."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "2", 5)
    b.open("out", "sell", "2", 5, "110.0", options=REDUCES)
    b.trade("buy", "0.5", "110.1")
    b.open("other", "sell", "1", 5)
    assert (b.fills("out"), amended(b, "out")) == (["0.5 @ 110 maker"], [("1", "110", True)])
    assert text(b.exchange.orders["out"].instrument.quantity(b.exchange.orders["out"].left)) == "0.5"


# -- settlements ---------------------------------------------------------------------------------------------------


def test_each_part_of_a_settlement_is_a_fill_with_a_number_of_its_own_and_without_a_fee() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("one", "buy", "1", 5)
    b.open("two", "buy", "1", 5)
    b.order("settle", "sell", "2", SettlePosition(), leverage=2)
    b.order("after", "buy", "1")
    fills = [event for event in b.drain() if isinstance(event, OrderFilled)]
    assert [(event.fill_number, event.fee) for event in fills] == [(number, D(0)) for number in range(1, 6)]
    assert len({event.fill_id for event in fills}) == 5
    assert b.wallet._reservations == {}


def test_what_a_settled_short_brings_pays_what_is_owed() -> None:
    """Of 100 dollars the long loses 5 x 40 = 200: 100 are owed. The short brings 2 x 60: 20 are left of it."""
    b = MarginBench({"USDT": "100", "BTC": "10"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "5", 5)
    b.market_at("60.0", "60.1")
    b.open("close", "sell", "5", 5)
    assert (b.owed, b.total("USDT")) == ("100", "0")
    b.open("short", "sell", "2", 2)
    b.order("settle", "buy", "2", SettlePosition(), leverage=2)
    assert (b.owed, b.total("USDT"), b.total("BTC")) == ("0", "20", "8")


@pytest.mark.parametrize(
    ("balance", "words"),
    [
        ("1000", "needs 2000 USDT to settle, 1000 is available"),
        ("1500", "needs 2000 USDT to settle, 1500 is available"),
    ],
)
def test_a_settlement_says_what_it_lacks(balance: str, words: str) -> None:
    b = MarginBench({"USDT": balance})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "20", 5)
    b.order("settle", "sell", "20", SettlePosition(), leverage=2)
    assert reasons(b) == [words]


# -- funds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owned", "words"),
    [
        ("0", "needs 2 BTC with fees, 1.5 is available"),
        ("1", "needs 2 BTC with fees, 0.5 is available"),
        # Positions own more than there is: less than nothing is nothing.
        ("3", "needs 2 BTC with fees, 0 is available"),
    ],
)
def test_who_cannot_be_paid_is_told_what_is_there(bench: Callable[..., Bench], owned: str, words: str) -> None:
    b = bench({"BTC": "1.5"})
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    b.exchange.account.funds.owned = lambda asset: atoms(D(owned))
    b.order("sale", "sell", "2", "110.0")
    assert reasons(b) == [words]


def purchase(**more: Any) -> WorkingOrder:
    request = OrderRequest("o", INSTRUMENT.symbol, Side.BUY, D(1), Market())
    order = WorkingOrder(999, "O", request, INSTRUMENT, 0, 0, **more)
    order.fee_ceiling_ppm = 4000
    return order


def test_what_a_purchase_can_afford_is_the_most_that_its_funds_pay_with_its_fee(bench: Callable[..., Bench]) -> None:
    """At 100.0 a lot is worth 1e-6; cost and fee are paid in whole steps of 1e-5, so that 0.00002 buy ten lots and
    0.00001 none. Ten more lots cost another step, and 2,500 lots a second one of fees."""
    order, found = purchase(), {}
    for steps in [*range(9), 260, 261, 262]:
        b = bench({"USDT": f"{steps}e-5"})
        for lots in (1, 2, 3, 9, 10, 11, 25, 40, 41, 2600, 3000):
            found[steps, lots] = b.exchange.affordable(order, 1000, lots)
            pays = [each for each in range(lots + 1) if worst(order, each, 1000) <= atoms(D(f"{steps}e-5"))]
            assert found[steps, lots] == pays[-1], (steps, lots)
    assert (found[1, 3], found[2, 25], found[3, 25], found[261, 3000]) == (0, 10, 20, 2590)


@pytest.mark.parametrize(("dollars", "lots"), [("0.1", 996), ("0.09999", 995), ("0.10001", 996), ("0.1001", 997)])
def test_of_many_lots_as_many_as_there_is_for_their_fee(bench: Callable[..., Bench], dollars: str, lots: int) -> None:
    """At 10,000.0 a lot is worth 0.0001: 996 are 0.0996, and 0.4 % of that 0.0003984, up to 0.0004."""
    assert bench({"USDT": dollars}).exchange.affordable(purchase(), 100_000, 2000) == lots


def test_one_that_names_its_cost_affords_no_more_than_what_is_left_of_that(bench: Callable[..., Bench]) -> None:
    """Of 1 dollar 0.4 is spent: 0.6 at 1e-6 a lot."""
    order = purchase(cost=atoms(D(1)), spent_atoms=atoms(D("0.4")))
    assert bench().exchange.affordable(order, 1000, 10**8) == 600_000
    assert bench().exchange.affordable(order, 1000, 10**5) == 10**5


def test_what_an_order_holds_is_its_own_where_positions_have_used_up_the_rest() -> None:
    """3 at up to 40 hold 120. The long loses 10 x 70 of 1,000 and uses 200 of margin: 100 are free, less than the 120
    that are held; it is paid for all the same, to the last cent."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.order("bid", "buy", "3", TakeProfitLimit(D("30.0"), D("40.0")))
    b.open("long", "buy", "10", 5)
    b.book(bids="29.9x1000", asks="40.0x1000", snapshot=True)
    b.trade("sell", "0.0001", "30.0")
    assert (b.fills("bid"), b.held("USDT")) == (["3 @ 40 taker"], "0")


def test_the_rest_of_a_sale_holds_its_coins_and_the_fee_as_it_was_accepted() -> None:
    """The first sale makes 10,000 dollars of volume, after which 0.35 % are taken; the second was accepted with 0.4 %,
    in coins: 2.008 are held, and for the second half 1.004 though the first has cost 1.0035."""
    b = Bench({"BTC": "200"}, replace(NO_DELAY, partial_fills=True), MarketDepth.TAPE)
    b.trade("sell", "1", "100.0")
    b.order("first", "sell", "100")
    b.order("second", "sell", "2", options=OrderOptions(fee_preference=FeePreference.BASE))
    assert b.held("BTC") == "102.008"
    b.trade("sell", "101", "100.2")
    assert (b.total("BTC"), b.held("BTC")) == ("98.9965", "1.004")
