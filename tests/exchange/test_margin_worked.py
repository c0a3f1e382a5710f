"""Worked cases of positions on margin. Those of Kraken's support pages say so; the others are ours, with their sums."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.exchange.margin_bench import USUAL, USUAL_FEES, MarginBench, btc
from tests.session.stored_parts import all_said

from triplegain.domain.clock import HOUR_NS
from triplegain.domain.orders import FeePreference, Limit, OrderOptions, StopLoss
from triplegain.domain.terms import MarketByCost


def level(bench: MarginBench) -> str:
    found = bench.figures.level
    assert found is not None
    return f"{found * 100:.3f}"


# -- Kraken's own examples -----------------------------------------------------------------------------------------


def test_the_margin_call_of_krakens_support_page() -> None:
    """ "Margin call level": 10,000 USD, 1.5 BTC bought at 30,000 with leverage 5: 45,000, used margin 9,000. At
    28,133.3 the loss is 2,800.05, the equity 7,199.95, and 7,199.95 / 9,000 = 79.999 %."""
    b = MarginBench({"USDT": "10000"})
    b.market_at("29999.9", "30000.0")
    b.open("long", "buy", "1.5", 5)
    assert b.positions == ["buy 1.5 for 45000"]
    assert b.figures.used == 9000
    b.market_at("28133.3", "28133.4")
    assert (b.figures.unrealised, b.figures.equity, level(b)) == (Decimal("-2800.05"), Decimal("7199.95"), "79.999")
    assert b.calls() == [("0.79999444", False)]


def test_the_short_of_krakens_support_page() -> None:
    """ "Margin trading examples": 5,000 USD, 0.2 BTC sold at 50,000 with leverage 5: margin 0.04 BTC, 2,000, level
    250 %. At 65,200 the loss is 3,040, the equity 1,960, the margin 0.04 x 65,200 = 2,608, the level 75 %."""
    b = MarginBench({"USDT": "5000"})
    b.market_at("50000.0", "50000.1")
    b.open("short", "sell", "0.2", 5)
    assert (b.positions, int(b.figures.used), level(b)) == (["sell 0.2 for 10000"], 2000, "250.000")
    b.market_at("65200.0", "65200.1")
    assert [int(each) for each in (b.figures.unrealised, b.figures.equity, b.figures.used)] == [-3040, 1960, 2608]
    assert level(b) == "75.153"
    assert b.calls() == [("0.75153374", False)]


def test_the_free_margin_of_krakens_support_page() -> None:
    """ "How leverage works": 5,000 USD and a long of 15,000 with leverage 5: used 3,000, free 2,000."""
    b = MarginBench({"USDT": "5000"})
    b.market_at("9999.9", "10000.0")
    b.open("long", "buy", "1.5", 5)
    b.trade("buy", "0.1", "10000.0")
    assert [int(each) for each in (b.figures.used, b.figures.free)] == [3000, 2000]


def test_a_loss_may_be_larger_than_the_margin() -> None:
    """Of the same page: 5,000 long with leverage 5 uses 1,000; closed for a loss of 2,000 it has lost twice that."""
    b = MarginBench({"USDT": "5000"})
    b.market_at("4999.9", "5000.0")
    b.open("long", "buy", "1", 5)
    b.market_at("3000.0", "3000.1")
    b.open("close", "sell", "1", 2)
    assert (b.positions, b.total("USDT")) == ([], "3000")


# -- opening and closing -------------------------------------------------------------------------------------------


def test_only_fees_touch_the_wallet_when_a_position_is_opened() -> None:
    """1.5 x 30,000 = 45,000: 0.4 % is 180, 0.025 % of the dollars lent is 11.25."""
    b = MarginBench({"USDT": "10000"}, USUAL, instrument=btc(USUAL_FEES))
    b.market_at("29999.9", "30000.0")
    b.open("long", "buy", "1.5", 5)
    assert b.ledger() == [("fee", "wallet", "-180"), ("opening_fee", "wallet", "-11.25")]
    assert (b.total("USDT"), b.total("BTC"), b.held("USDT")) == ("9808.75", "0", "0")
    assert b.margin_of("long") == [{"leverage": 5, "opened": "1.5", "opening_fee": "11.25"}]


def test_a_short_pays_the_rate_of_the_coins_it_is_lent() -> None:
    """0.2 x 50,000 = 10,000: 0.4 % is 40, 0.01 % of the coins lent is 1."""
    b = MarginBench({"USDT": "5000"}, USUAL, instrument=btc(USUAL_FEES))
    b.market_at("50000.0", "50000.1")
    b.open("short", "sell", "0.2", 5)
    assert b.ledger() == [("fee", "wallet", "-40"), ("opening_fee", "wallet", "-1")]


@pytest.mark.parametrize(
    ("side", "back", "bid", "ask", "gain"),
    [
        # 1.5 x (31,000 - 30,000); of 45,000 once, and never times the leverage
        ("buy", "sell", "31000.0", "31000.1", "1500"),
        ("buy", "sell", "29000.0", "29000.1", "-1500"),
        # sold at 29,999.9: 1.5 x (29,999.9 - 28,999.9)
        ("sell", "buy", "28999.8", "28999.9", "1500"),
        ("sell", "buy", "30999.8", "30999.9", "-1500"),
    ],
)
@pytest.mark.parametrize("leverage", [2, 5, 10])
def test_what_a_position_gains_has_nothing_to_do_with_its_leverage(
    side: str, back: str, bid: str, ask: str, gain: str, leverage: int
) -> None:
    b = MarginBench({"USDT": "100000"})
    b.market_at("29999.9", "30000.0")
    b.open("in", side, "1.5", leverage)
    b.ledger()
    b.market_at(bid, ask)
    b.open("out", back, "1.5", 2)
    assert b.ledger() == [("margin", "wallet", gain)]
    assert b.margin_of("out") == [{"leverage": 2, "closed": "1.5", "gain": gain}]
    assert (b.positions, b.total("BTC")) == ([], "0")


def test_opposite_orders_close_the_oldest_first_whatever_their_leverage() -> None:
    """1 at 100, 1 at 110, sold 1.5 at 120: 20 of the first, and half of the second: 5."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("one", "buy", "1", 2)
    b.market_at("109.9", "110.0")
    b.open("two", "buy", "1", 5)
    assert b.positions == ["buy 1 for 100", "buy 1 for 110"]
    b.market_at("120.0", "120.1")
    b.open("out", "sell", "1.5", 3)
    assert b.positions == ["buy 0.5 for 55"]
    assert b.total("USDT") == "1025"
    assert [each.realised for each in b.exchange.margin.positions.values()] == [5]


def test_the_oldest_is_the_one_that_filled_first_not_the_one_that_was_sent_first() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("rests", "buy", "1", 2, "90.0")
    b.open("takes", "buy", "1", 2)
    b.trade("sell", "2000", "89.0")
    assert b.positions == ["buy 1 for 100", "buy 1 for 90"]
    b.market_at("95.0", "95.1")
    b.open("out", "sell", "1", 2)
    assert b.positions == ["buy 1 for 90"]
    assert b.total("USDT") == "995"


def test_an_order_for_more_than_is_open_turns_the_position() -> None:
    """Bought 1 at 100, sold 3 at 110: 10 gained, and 2 are short, with the leverage of the sale."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "1", 2)
    b.market_at("110.0", "110.1")
    b.open("turn", "sell", "3", 4)
    assert (b.positions, b.total("USDT")) == (["sell 2 for 220"], "1010")
    assert b.margin_of("turn") == [{"leverage": 4, "closed": "1", "opened": "2", "gain": "10"}]


def test_the_fills_of_one_order_are_one_position() -> None:
    """1 at 100.0 and 2 at 100.5."""
    b = MarginBench({"USDT": "1000"})
    b.book(bids="99.9x5", asks="100.0x1 100.5x5", snapshot=True)
    b.trade("sell", "1", "99.9")
    b.open("long", "buy", "3", 2)
    assert b.positions == ["buy 3 for 301"]


def test_a_cost_that_does_not_divide_is_shared_against_the_trader_and_to_the_last_atom() -> None:
    """3 coins for 301, sold one by one at 100: each third cost 100.333..., and each loss is rounded up to 1e-8."""
    b = MarginBench({"USDT": "1000"})
    b.book(bids="100.0x9", asks="100.1x1 100.4x1 100.5x1", snapshot=True)
    b.trade("sell", "1", "100.0")
    b.open("long", "buy", "3", 2)
    assert b.positions == ["buy 3 for 301"]
    b.ledger()
    for name in ("a", "b", "c"):
        b.open(name, "sell", "1", 2)
    lost = [amount for _, _, amount in b.ledger()]
    assert lost == ["-0.33333334", "-0.33333334", "-0.33333334"]
    assert Decimal(b.total("USDT")) <= 999


def test_leverage_one_trades_coins_beside_a_position() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "1", 2)
    b.order("spot", "buy", "1")
    assert (b.positions, b.total("BTC"), b.total("USDT")) == (["buy 1 for 100"], "1", "900")
    b.order("sold", "sell", "1")
    assert (b.positions, b.total("BTC"), b.total("USDT")) == (["buy 1 for 100"], "0", "999.9")


# -- rollover ------------------------------------------------------------------------------------------------------


def test_a_long_rolls_over_each_four_hours_on_what_was_lent() -> None:
    """0.025 % of 45,000 is 11.25, whatever the price has come to."""
    b = MarginBench({"USDT": "10000"}, USUAL)
    b.market_at("29999.9", "30000.0", at=10)
    b.open("long", "buy", "1.5", 5)
    b.ledger()
    b.market_at("31000.0", "31000.1", at=10 + 4 * HOUR_NS - 1)
    assert b.rollovers() == []
    b.market_at("31000.0", "31000.1", at=10 + 4 * HOUR_NS)
    assert b.rollovers() == [(1, "11.25")]
    b.market_at("31000.0", "31000.1", at=10 + 13 * HOUR_NS)
    assert b.rollovers() == [(1, "11.25")] * 3
    assert b.ledger() == [("rollover", "wallet", "-11.25")] * 3
    assert [(e.rollovers, e.fees) for e in b.exchange.margin.positions.values()] == [(3, Decimal("45"))]


def test_a_short_rolls_over_on_its_coins_at_the_price_of_then() -> None:
    """0.01 % of 0.2 x 60,000."""
    b = MarginBench({"USDT": "10000"}, USUAL)
    b.market_at("50000.0", "50000.1", at=10)
    b.open("short", "sell", "0.2", 5)
    b.market_at("60000.0", "60000.1", at=20)
    b.market_at("60000.0", "60000.1", at=10 + 4 * HOUR_NS)
    assert b.rollovers() == [(1, "1.2")]


def test_a_part_that_is_closed_rolls_over_no_more() -> None:
    """0.025 % of what is left: a third of 45,000."""
    b = MarginBench({"USDT": "10000"}, USUAL)
    b.market_at("29999.9", "30000.0", at=10)
    b.open("long", "buy", "1.5", 5)
    b.open("part", "sell", "1", 5)
    b.market_at("30000.0", "30000.1", at=10 + 4 * HOUR_NS)
    assert b.rollovers() == [(1, "3.75")]
    b.open("rest", "sell", "0.5", 5)
    b.market_at("30000.0", "30000.1", at=10 + 9 * HOUR_NS)
    assert (len(b.rollovers()), b.positions) == (1, [])


# -- collateral ----------------------------------------------------------------------------------------------------


def test_collateral_counts_at_its_share() -> None:
    """1 BTC at 10,000 and 90 %: 9,000; XRP nothing; dollars whole."""
    b = MarginBench({"USDT": "1000", "BTC": "1", "XRP": "500"})
    b.market_at("10000.0", "10000.1")
    assert b.figures.collateral == 10_000


def test_what_is_owed_is_taken_off_and_told_and_paid_back() -> None:
    """100 USDT and 1 BTC, 1 BTC long with leverage 5 at 30,000, sold at 29,000: 1,000 lost, of which 900 are owed. The
    coins stay; sold for 29,000 they pay it back."""
    b = MarginBench({"USDT": "100", "BTC": "1"})
    b.market_at("29999.9", "30000.0")
    b.open("long", "buy", "1", 5)
    b.market_at("29000.0", "29000.1")
    b.ledger()
    b.open("out", "sell", "1", 5)
    assert b.ledger() == [
        ("margin", "wallet", "-1000"), ("borrowed", "wallet", "900"), ("borrowed", "debt", "-900"),
    ]  # fmt: skip
    assert (b.total("USDT"), b.owed) == ("0", "900")
    assert b.margin_of("out")[0]["owed"] == "900"
    assert b.figures.equity == Decimal("25200")  # 29,000 x 0.9 - 900
    b.order("coins", "sell", "1")
    assert (b.total("USDT"), b.owed) == ("28100", "0")


# -- what is refused -----------------------------------------------------------------------------------------------


def test_margin_is_not_offered_unless_it_is_turned_on(usual: MarginBench) -> None:
    usual.order("long", "buy", "1", leverage=2)
    assert usual.ends("long") == "rejected: EOrder:Margin allowance exceeded"


@pytest.mark.parametrize(
    ("side", "leverages", "leverage", "ends"),
    [
        ("buy", None, 10, "filled"),
        ("buy", None, 11, "rejected: EOrder:Margin allowance exceeded"),
        ("buy", ((2, 3), ()), 3, "filled"),
        ("buy", ((2, 3), ()), 4, "rejected: EOrder:Margin allowance exceeded"),
        ("sell", ((2, 3), ()), 2, "rejected: EOrder:Margin allowance exceeded"),
        ("buy", None, 0, "rejected: EGeneral:Invalid arguments:leverage"),
        ("buy", None, -1, "rejected: EGeneral:Invalid arguments:leverage"),
    ],
)
def test_each_pair_and_side_has_its_leverages(
    side: str, leverages: tuple[tuple[int, ...], tuple[int, ...]] | None, leverage: int, ends: str
) -> None:
    b = MarginBench({"USDT": "1000"}, instrument=btc(leverages=leverages))
    b.market_at("99.9", "100.0")
    b.open("o", side, "1", leverage)
    assert b.ends("o") == ends


@pytest.mark.parametrize(("quantity", "ends"), [("20", "filled"), ("20.1", "rejected: EOrder:Insufficient margin")])
def test_a_position_needs_its_margin_free(quantity: str, ends: str) -> None:
    """1,000 USDT carry 2,000 with leverage 2."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", quantity, 2)
    assert b.ends("long") == ends


def test_the_fees_need_their_margin_too() -> None:
    """20 x 100 with leverage 2 is all of 1,000; 0.4 % and 0.025 % of 2,000 are 8.5 more: 19.7 are 985 + 8.3725."""
    for quantity, ends in (("20", "rejected: EOrder:Insufficient margin"), ("19.7", "filled")):
        b = MarginBench({"USDT": "1000"}, USUAL, instrument=btc(USUAL_FEES))
        b.market_at("99.9", "100.0")
        b.open("long", "buy", quantity, 2)
        assert b.ends("long") == ends


def test_orders_that_wait_count_what_they_will_need() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("rests", "buy", "15", 2, "90.0")  # 675
    b.open("more", "buy", "7", 2)  # 350
    assert b.ends("more") == "rejected: EOrder:Insufficient margin"
    b.open("less", "buy", "6", 2)  # 300
    assert b.ends("less") == "filled"


def test_an_order_holds_its_fees_and_gives_them_back() -> None:
    """10 x 90 = 900: 3.6 and 0.225."""
    b = MarginBench({"USDT": "1000"}, USUAL, instrument=btc(USUAL_FEES))
    b.market_at("99.9", "100.0")
    b.open("rests", "buy", "10", 2, "90.0")
    assert b.held("USDT") == "3.825"
    b.amend("rests", quantity="5")
    assert b.held("USDT") == "1.9125"
    b.cancel("rests")
    assert b.held("USDT") == "0"


def test_fees_are_paid_in_dollars_that_are_there() -> None:
    b = MarginBench({"USDT": "0", "BTC": "100"}, USUAL, instrument=btc(USUAL_FEES))
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "1", 2)
    assert b.ends("long") == "rejected: EOrder:Insufficient funds"


def test_a_position_has_a_largest_size() -> None:
    b = MarginBench({"USDT": "1000000"})
    b.market_at("99.9", "100.0")
    b.open("one", "buy", "50", 2)
    b.open("two", "buy", "30.1", 2)
    assert b.ends("two") == "rejected: EOrder:Margin position size exceeded"
    b.open("three", "buy", "30", 2)
    assert b.ends("three") == "filled"


def test_below_the_call_nothing_more_is_opened_and_everything_can_be_closed() -> None:
    b = MarginBench({"USDT": "100"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "5", 5)
    b.market_at("95.0", "95.1")  # 100 - 25 = 75 of 100
    b.open("more", "buy", "0.1", 5)
    assert b.ends("more") == "rejected: EOrder:Margin level too low"
    b.open("out", "sell", "5", 2)
    assert (b.ends("out"), b.positions, b.total("USDT")) == ("filled", [], "75")


def test_an_order_that_closes_needs_no_fee_to_be_there() -> None:
    """10.9 USDT, 1 BTC bought at 100 with leverage 10: 0.4 of fees. Sold at 89.5: 10.5 lost, all there is, and the fee
    of 0.358 is owed."""
    b = MarginBench({"USDT": "10.9"}, instrument=btc(USUAL_FEES))
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "1", 10)
    assert b.total("USDT") == "10.5"
    b.book(bids="89.5x9", asks="89.6x9", snapshot=True)
    b.open("out", "sell", "1", 2)
    assert (b.total("USDT"), b.owed) == ("0", "0.358")


def test_some_things_do_not_go_with_leverage() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.order("cost", "buy", "0", MarketByCost(Decimal(100)), leverage=2)
    assert b.ends("cost") == "rejected: EGeneral:Invalid arguments:viqc"
    b.open("coins", "buy", "1", 2, options=OrderOptions(fee_preference=FeePreference.BASE))
    assert b.ends("coins") == "rejected: EGeneral:Invalid arguments"


# -- reduce only ---------------------------------------------------------------------------------------------------


def test_reduce_only_takes_off_no_more_than_there_is() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "2", 2)
    b.open("out", "sell", "5", 2, options=OrderOptions(reduce_only=True))
    assert (b.fills("out"), b.positions) == (["2 @ 99.9 taker"], [])


@pytest.mark.parametrize(("side", "leverage"), [("buy", 2), ("sell", 1)])
def test_reduce_only_that_reduces_nothing_is_refused(side: str, leverage: int) -> None:
    b = MarginBench({"USDT": "1000", "BTC": "5"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "2", 2)
    b.open("o", side, "1", leverage, options=OrderOptions(reduce_only=True))
    assert b.ends("o") == "rejected: EOrder:Reduce only:No position exists"


def test_stop_and_target_rest_together_and_the_one_ends_the_other() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "2", 2)
    only = OrderOptions(reduce_only=True)
    b.open("target", "sell", "2", 2, "110.0", options=only)
    b.open("stop", "sell", "2", 2, StopLoss(Decimal("95.0")), options=only)
    b.trade("buy", "0.5", "110.1")
    assert b.positions == ["buy 1.5 for 150"]
    b.market_at("95.0", "95.1")
    assert (b.fills("stop"), b.positions) == (["1.5 @ 95 taker"], [])
    assert b.ends("target") == "cancelled: reduce only: the position is closed"
    assert b.total("USDT") == "997.5"  # 5 won, 7.5 lost


@pytest.mark.parametrize(("quantity", "ends"), [("6", "filled"), ("6.1", "rejected: EOrder:Insufficient funds")])
def test_what_a_position_uses_buys_no_coins(quantity: str, ends: str) -> None:
    """1,000 USDT, 20 at 100 with leverage 5 use 400: 600 are free, of which a bid holds nothing yet."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.trade("buy", "0.1", "100.0")
    b.open("long", "buy", "20", 5)
    b.order("coins", "buy", quantity)
    assert b.ends("coins") == ends


def test_what_other_orders_hold_is_tied_as_well() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.trade("buy", "0.1", "100.0")
    b.open("long", "buy", "20", 5)
    b.order("bid", "buy", "4", "90.0")  # 360 of 600
    b.order("more", "buy", "2.5", "100.0")
    b.order("less", "buy", "2.4", "100.0")
    assert (b.ends("more"), b.ends("less")) == ("rejected: EOrder:Insufficient funds", "filled")
    b.open("out", "sell", "20", 2)
    b.order("free", "buy", "3", "80.0")
    assert b.ends("free") == "open"


def test_a_part_that_fills_draws_on_what_is_held_and_the_rest_keeps_its_own() -> None:
    """10 x 90 hold 3.825; 4 of them fill, as a maker's: 0.9 and 0.09; for 6 stay 2.295."""
    b = MarginBench({"USDT": "1000"}, USUAL, instrument=btc(USUAL_FEES))
    b.market_at("99.9", "100.0")
    b.open("rests", "buy", "10", 2, "90.0")
    b.trade("sell", "4", "89.0")
    assert (b.held("USDT"), b.total("USDT")) == ("2.295", "999.01")


def test_nothing_is_due_any_more_of_a_position_that_is_closed() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "1", 2)
    assert len(b.exchange.agenda.waiting) == 1
    b.open("out", "sell", "1", 2)
    assert not b.exchange.agenda.waiting


def test_positions_that_are_taken_up_again_keep_their_age() -> None:
    """The second order filled first."""
    first, again = (MarginBench({"USDT": "1000"}) for _ in range(2))
    for b in (first, again):
        b.market_at("99.9", "100.0")
    first.open("rests", "buy", "1", 2, "90.0")
    first.open("takes", "buy", "1", 2)
    first.trade("sell", "2000", "89.0")
    again.parts.restore(all_said(first.parts))
    assert again.positions == first.positions == ["buy 1 for 100", "buy 1 for 90"]


def test_a_conditional_close_closes_what_was_lent() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "2", 3, options=OrderOptions(close=Limit(Decimal("110.0"))))
    b.trade("buy", "5", "110.1")
    assert (b.positions, b.total("USDT")) == ([], "1020")


def test_what_other_orders_hold_is_not_taken_for_a_loss() -> None:
    """1,000, of which a bid holds 450: a loss of 600 takes 550, and 50 are owed until the bid is taken back, or made
    smaller by as much."""
    b = lost_beside_a_bid()
    assert (b.total("USDT"), b.held("USDT"), b.owed) == ("450", "450", "50")
    b.amend("bid", quantity="8.5")
    assert (b.total("USDT"), b.held("USDT"), b.owed) == ("425", "425", "25")
    b.cancel("bid")
    assert (b.total("USDT"), b.held("USDT"), b.owed) == ("400", "0", "0")


def lost_beside_a_bid() -> MarginBench:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.trade("buy", "0.1", "100.0")
    b.open("long", "buy", "20", 5)
    b.order("bid", "buy", "9", "50.0")
    b.book(bids="70.0x99", asks="100.0x9", snapshot=True)
    b.open("out", "sell", "20", 2)
    return b


@pytest.mark.parametrize(
    ("price", "ends", "left"),
    [("50.0", "rejected: EOrder:Insufficient funds", ("450", "50")), ("44.4", "open", ("400", "0"))],
)
def test_an_edit_pays_what_is_owed_first(price: str, ends: str, left: tuple[str, str]) -> None:
    """450 become free, of which 50 are owed: 9 at 50 are too much for the rest, 9 at 44.4 are 399.6."""
    b = lost_beside_a_bid()
    b.order("other", "buy", "9", price, options=OrderOptions(replaces="bid"))
    assert (b.ends("other"), (b.total("USDT"), b.owed)) == (ends, left)


def test_what_opens_something_keeps_its_fees_held_while_the_rest_closes() -> None:
    """30 sold at 101, of which 10 close: 20 open for 2,020, and hold 8.08 and 0.202. The first 10 leave that as it is,
    5 more leave it three quarters."""
    b = MarginBench({"USDT": "5000"}, USUAL, instrument=btc(USUAL_FEES))
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "10", 5)
    b.open("turns", "sell", "30", 5, "101.0")
    assert b.held("USDT") == "8.282"
    b.trade("buy", "10", "101.1")
    assert (b.positions, b.held("USDT")) == ([], "8.282")
    b.trade("buy", "5", "101.1")
    assert (b.positions, b.held("USDT")) == (["sell 5 for 505"], "6.2115")
