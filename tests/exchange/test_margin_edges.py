"""What an order with leverage needs and what is free, to the cent and as it is told; figures at the edges. Worked here.

1,000 dollars, prices about 100. What an order needs is its worth over its leverage, its fees, and what is lost at once
for lying behind the best price.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.conftest import Bench
from tests.exchange.margin_bench import FREE, USUAL, USUAL_FEES, MarginBench, btc

from triplegain.domain.clock import HOUR_NS
from triplegain.domain.exchange_events import CommandRefused, OrderRejected, OrderSubmitted, PositionRolledOver
from triplegain.domain.ids import Origin
from triplegain.domain.market import Candle, CandleClosed, MarketDepth
from triplegain.domain.orders import OrderOptions, SelfTradePrevention, StopLoss
from triplegain.domain.terms import OrderTerms, SettlePosition, StopLossLimit
from triplegain.exchange.margin.account import MarginState

D = Decimal


def needed(amount: str, free: str) -> str:
    return f"it needs {amount} USD of margin with fees, {free} are free"


def words(b: Bench, name: str) -> str:
    """Why an order was refused."""
    [said] = [e.reason for e in b.drain() if isinstance(e, OrderRejected) and e.client_order_id == name]
    return said


def with_book(bids: str, asks: str, balances: dict[str, str] | None = None, **more: Any) -> MarginBench:
    b = MarginBench(balances or {"USDT": "1000"}, **more)
    b.book(bids=bids, asks=asks, snapshot=True)
    b.trade("sell", "0.00001", bids.split("x", maxsplit=1)[0], at=b.now)
    return b


# -- what it needs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "quantity", "leverage", "terms", "said"),
    [
        # At its own price: 60 x 100 / 5; a sale at the best bid, if that is more than its own price.
        ("buy", "60", 5, "100.0", needed("1200.0000", "1000.0000")),
        ("buy", "60", 4, "100.0", needed("1500.0000", "1000.0000")),
        ("sell", "60", 5, "99.0", needed("1200.0000", "1000.0000")),
        ("sell", "60", 5, "120.0", needed("1440.0000", "1000.0000")),
        # A stop at its trigger, or at its limit beyond it.
        ("buy", "60", 5, StopLoss(D("110.0")), needed("1320.0000", "1000.0000")),
        ("buy", "60", 5, StopLossLimit(D("110.0"), D("115.0")), needed("1380.0000", "1000.0000")),
        ("buy", "60", 5, StopLossLimit(D("110.0"), D("105.0")), needed("1320.0000", "1000.0000")),
        # On the market by the book: asks 10 at 100.0 and 50 at 110.0, 1,000 + 5,500, of which 500 are lost at once.
        ("buy", "60", 5, None, needed("1800.0000", "1000.0000")),
        # Bids 10 at 100.0 and 100 at 90.0: by the price of now, 6,000; it brings 5,500.
        ("sell", "60", 5, None, needed("1700.0000", "1000.0000")),
        # 60 are shown for 6,500; the other 15 count like them: 75 x 6,500 / 60 = 8,125, by the best price 7,500.
        ("buy", "75", 5, None, needed("2250.0000", "1000.0000")),
    ],
)
def test_what_an_order_needs(
    side: str, quantity: str, leverage: int, terms: OrderTerms | str | None, said: str
) -> None:
    books = {"buy": ("99.9x10", "100.0x10 110.0x50"), "sell": ("100.0x10 90.0x100", "100.1x10")}
    b = with_book(*books[side])
    b.open("o", side, quantity, leverage, terms)
    assert words(b, "o") == said


@pytest.mark.parametrize(
    ("side", "said"),
    [
        # 5,000 / 5, 0.4 % of 5,000 and 0.025 % of the dollars lent, or 0.01 % of the coins.
        ("buy", needed("1021.2500", "1000.0000")),
        ("sell", needed("1020.5000", "1000.0000")),
    ],
)
def test_the_fees_are_part_of_it(side: str, said: str) -> None:
    b = with_book("100.0x100", "100.1x100", margin=USUAL, instrument=btc(USUAL_FEES))
    b.open("o", side, "50", 5, "100.0")
    assert words(b, "o") == said


def test_what_closes_needs_nothing_and_meets_the_best_of_the_book() -> None:
    """Of 70 the first 10 close the long at 100; 60 open at 90: 5,400, by the best price 6,000, 600 lost. The long uses
    200."""
    b = with_book("99.9x100", "100.0x100")
    b.open("long", "buy", "10", 5)
    b.book(bids="100.0x10 90.0x100", asks="100.1x100", snapshot=True)
    b.trade("buy", "0.00001", "100.1", at=b.now)
    b.open("o", "sell", "70", 5)
    assert words(b, "o") == needed("1800.0000", "801.0000")


def test_what_waits_is_taken_off_what_is_free() -> None:
    """20 at 90 of which each fifth, 360; a stop's 10 up to 130, 260; a sale's 5 at the bid, or its price, 120: 120."""
    b = with_book("100.0x100", "100.1x100")
    b.open("bid", "buy", "20", 5, "90.0")
    b.open("stop", "buy", "10", 5, StopLossLimit(D("110.0"), D("130.0")))
    b.open("sale", "sell", "5", 5, "120.0")
    b.order("spot", "buy", "0.1", "90.0")  # a bid for coins may spend its 9
    b.open("o", "buy", "60", 5, "100.0")
    assert words(b, "o") == needed("1200.0000", "251.0000")


def test_in_the_place_of_another_it_needs_what_that_one_does_not_any_more() -> None:
    b = with_book("100.0x100", "100.1x100")
    b.open("bid", "buy", "20", 5, "90.0")
    b.open("o", "buy", "60", 5, "95.0", options=OrderOptions(replaces="bid"))
    assert words(b, "o") == needed("1140.0000", "1000.0000")


@pytest.mark.parametrize(
    ("quantity", "said"), [("80.00000001", "a position of 80.00000001 BTC is above the limit 80"), ("80", "")]
)
def test_a_position_is_no_larger_than_the_limit(quantity: str, said: str) -> None:
    b = MarginBench({"USDT": "100000"}, USUAL)
    b.market_at("99.9", "100.0")
    b.open("o", "buy", quantity, 5)
    assert (words(b, "o") if said else "") == said
    assert bool(b.positions) is not bool(said)


@pytest.mark.parametrize(
    ("first", "side", "second", "said"),
    [
        ("30", "buy", "50.00000001", "a position of 80.00000001 BTC is above the limit 80"),
        ("30", "buy", "50", ""),
        # What is sold closes first: 80 the other way are 110.
        ("30", "sell", "110", ""),
        ("30", "sell", "110.00000001", "a position of 80.00000001 BTC is above the limit 80"),
    ],
)
def test_what_is_open_already_counts(first: str, side: str, second: str, said: str) -> None:
    b = MarginBench({"USDT": "100000"}, replace(USUAL, rates={}, other_rate=D(0)))
    b.market_at("100.0", "100.1")
    b.open("first", "buy", first, 5)
    b.open("o", side, second, 5)
    assert (words(b, "o") if said else "") == said
    assert len(b.positions) == (1 if side == "sell" or said else 2)


def test_below_the_call_the_level_is_told() -> None:
    """50 at 100 use 1,000; at 95.8 the level is 1,000 - 210 of them."""
    b = with_book("99.9x100", "100.0x100")
    b.open("long", "buy", "50", 5)
    b.market_at("95.8", "95.9")
    b.open("o", "buy", "1", 5)
    assert words(b, "o") == "the margin level is 79.00 %: positions come off first"


@pytest.mark.parametrize(
    ("balances", "said"),
    [
        # 0.4 % of 1,000 and 0.025 %: 4.25. Coins are collateral, and pay no fees.
        ({"USDT": "4.24", "BTC": "10"}, "needs 4.25 USDT for its fees, 4.24 is available"),
        ({"BTC": "10"}, "needs 4.25 USDT for its fees, 0 is available"),
        ({"USDT": "4.25", "BTC": "10"}, ""),
    ],
)
def test_fees_are_there_in_dollars(balances: dict[str, str], said: str) -> None:
    b = with_book("99.9x100", "100.0x100", balances, margin=USUAL, instrument=btc(USUAL_FEES))
    b.open("o", "buy", "10", 5)
    assert (words(b, "o") if said else "") == said


def test_an_amendment_to_more_says_what_it_needs() -> None:
    b = with_book("99.9x100", "100.0x100")
    b.open("bid", "buy", "10", 5, "90.0")
    b.amend("bid", quantity="60")
    [refused] = [event for event in b.drain() if isinstance(event, CommandRefused)]
    assert refused.reason == needed("1080.0000", "1000.0000")
    b.amend("bid", quantity="50")
    assert b.exchange.orders["bid"].left == b.instrument.lots(D(50))


def test_what_only_reduces_is_not_amended_beyond_the_position() -> None:
    b = with_book("99.9x100", "100.0x100")
    b.open("long", "buy", "10", 5)
    b.open("out", "sell", "5", 5, "110.0", options=OrderOptions(reduce_only=True))
    b.amend("out", quantity="10.1")
    [refused] = [event for event in b.drain() if isinstance(event, CommandRefused)]
    assert refused.reason == "the position is smaller than that"
    b.amend("out", quantity="10")
    assert b.exchange.orders["out"].left == b.instrument.lots(D(10))


# -- prices and figures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bids", "asks", "price"),
    [("100.0x1", "100.3x1", "100.15"), ("100.0x1", "", None), ("", "100.3x1", None), ("", "", None)],
)
def test_before_the_first_trade_a_position_is_worth_the_middle_of_both_quotes(
    bids: str, asks: str, price: str | None
) -> None:
    b = MarginBench({"USDT": "1000"})
    b.book(bids=bids, asks=asks, snapshot=True)
    assert b.exchange.margin.price("BTC/USDT") == (None if price is None else D(price))


def test_at_other_prices_coins_are_worth_those_prices_too() -> None:
    """1 BTC at 90 %: 90 at the 100 of now, 72 at the mark of 80; 2 long lose 40."""
    b = MarginBench({"USDT": "1000", "BTC": "1"})
    b.market_at("100.0", "100.1")
    b.open("long", "buy", "2", 5, "100.1")
    now, then = b.exchange.margin.figures(), b.exchange.margin.figures({"BTC/USDT": 800})
    assert now is not None
    assert then is not None
    assert (now.collateral, now.unrealised) == (D(1090), D("-0.2"))
    assert (then.collateral, then.unrealised, then.used) == (D(1072), D("-40.2"), D("40.04"))
    assert b.exchange.margin.unrealised_usd == D("-0.2")
    assert b.exchange.margin.owed_usd == 0


def test_of_what_nobody_prices_nothing_can_be_spent_beside_positions() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    assert b.exchange.account.lending.untied("EUR") is None
    b.open("long", "buy", "2", 5)
    assert b.exchange.account.lending.untied("EUR") == 0


def test_what_all_have_gained_is_not_known_without_a_price() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "2", 5)
    b.exchange.public["BTC/USDT"].last = None
    b.book(bids="99.9x0 99.8x0", asks="", snapshot=True)
    assert b.exchange.margin.unrealised_usd is None
    assert b.exchange.margin.figures() is None


def test_the_fee_of_a_fill_is_shared_by_what_it_closes_and_what_it_opens() -> None:
    """0.4 % of 3 x 100 is 1.2: a third for the position that is closed, two for the one that is opened, which owes 0.02
    for 200 that are lent besides (0.01 % of the coins)."""
    b = with_book("100.0x100", "100.1x100", margin=USUAL, instrument=btc(USUAL_FEES))
    b.open("long", "buy", "4", 5, "100.1")
    b.open("part", "sell", "1", 5)
    [position] = b.exchange.margin.positions.values()
    # 0.4 % of 400.4 is 1.6016, and 0.025 % 0.1001; 0.4 for the part.
    assert position.fees == D("2.1017")
    b.open("turn", "sell", "5", 5)
    [position] = b.exchange.margin.positions.values()
    # 0.4 % of 500 is 2: two of five are opened.
    assert (position.quantity, position.fees) == (D(2), D("0.82"))


def test_after_the_last_position_the_level_is_looked_at_once_more() -> None:
    """What was called is called no more."""
    b = with_book("99.9x100", "100.0x100")
    margin = b.exchange.margin
    for state in (MarginState(called=True), MarginState(liquidating=True)):
        margin.put_state(state)
        assert margin.is_used
        b.trade("sell", "0.00001", "99.9")
        assert (margin.state.called, margin.state.liquidating, margin.is_used) == (False, False, False)


# -- settlements and rollovers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dollars", "quantity", "ends"),
    [
        # What the second of two longs of 100.1 needs is not asked for where the first is settled.
        ("150.15", "1", "filled"),
        ("150.15", "1.5", "filled"),
        ("150.15", "1.6", "rejected: EOrder:Insufficient funds"),
    ],
)
def test_the_settlement_of_longs_needs_what_those_cost_that_it_settles(dollars: str, quantity: str, ends: str) -> None:
    b = MarginBench({"USDT": dollars})
    b.market_at("100.0", "100.1")
    for name in ("one", "two"):
        b.open(name, "buy", "1", 5)
    b.order("settle", "sell", quantity, SettlePosition(), leverage=2)
    assert b.ends("settle") == ends


@pytest.mark.parametrize(("coins", "ends"), [("1", "filled"), ("0.9", "rejected: EOrder:Insufficient funds")])
def test_the_settlement_of_a_short_needs_its_coins(coins: str, ends: str) -> None:
    b = MarginBench({"USDT": "1000", "BTC": coins})
    b.market_at("100.0", "100.1")
    b.open("short", "sell", "1", 5)
    b.order("settle", "buy", "1", SettlePosition(), leverage=2)
    assert b.ends("settle") == ends


def test_a_rollover_that_cannot_be_paid_is_owed_and_told() -> None:
    """0.025 % of 4,000 is 1; 0.4 are there."""
    b = MarginBench({"USDT": "1.4", "BTC": "100"}, USUAL)
    b.market_at("99.9", "100.0", at=10)
    b.open("long", "buy", "40", 5)
    b.market_at("99.9", "100.0", at=10 + 4 * HOUR_NS)
    [rolled] = [event for event in b.drain() if isinstance(event, PositionRolledOver)]
    assert (rolled.fee, rolled.owed, rolled.symbol) == (D(1), D("0.6"), "BTC/USDT")
    assert (b.owed, b.total("USDT")) == ("0.6", "0")
    state = b.exchange.margin.state
    assert (state.fees, state.fees_usd, state.result_usd) == ({"USDT": D(2)}, D(2), D(-2))


# -- what closes ---------------------------------------------------------------------------------------------------

LACKING = "rejected: EOrder:Insufficient margin"
LONG, CLOSING = ("long", "buy", "10", 5), ("closing", "sell", "10", 5, "100.0")


@pytest.mark.parametrize(
    ("dollars", "before", "quantity", "ends"),
    [
        # Nothing is open: 50 at 100 use all of 1,000, and not a lot more is free.
        ("1000", [], "50", "open"),
        ("1000", [], "50.00000001", LACKING),
        # The long uses 200, and the sale before it closes that: it opens all of itself, for 800.
        ("1000", [LONG, CLOSING], "40", "open"),
        ("1000", [LONG, CLOSING], "40.00000001", LACKING),
        # One that would close more than there is leaves no more than nothing.
        ("1000", [LONG, ("closing", "sell", "12", 5, "100.0")], "38", "open"),
        ("1000", [LONG, ("closing", "sell", "12", 5, "100.0")], "38.00000001", LACKING),
        # What waits on the other side, or is no order with leverage, closes nothing: 10 close without any margin.
        ("300", [LONG, ("bid", "buy", "5", 5, "90.0")], "10", "open"),
        ("201", [LONG, ("spot", "sell", "1", 1, "120.0")], "10", "open"),
    ],
)
def test_what_an_order_closes_and_what_it_opens_to_the_lot(
    dollars: str, before: list[tuple[Any, ...]], quantity: str, ends: str
) -> None:
    """Coins are no collateral here; the last trade was at 100."""
    b = MarginBench({"USDT": dollars, "BTC": "1"}, replace(FREE, collateral={"USDT": D(1)}))
    b.market_at("99.9", "100.0")
    b.trade("buy", "0.0001", "100.0")
    for order in before:
        b.open(*order)
    b.open("o", "sell", quantity, 5, "100.0")
    assert b.ends("o") == ends


def test_less_than_a_lot_closes_nothing() -> None:
    """10 times is not lent on, and is there for what only closes."""
    b = MarginBench({"USDT": "1000"}, replace(FREE, leverage_sell={"BTC/USDT": 5}))
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "10", 5)
    b.open("dust", "sell", "0.000000001", 10)
    assert b.ends("dust") == "rejected: EOrder:Margin allowance exceeded"
    b.open("close", "sell", "10", 10)
    assert b.ends("close") == "filled"


def test_the_hodl_bag_borrows_nothing() -> None:
    b = with_book("99.9x100", "100.0x100")
    b.open("o", "buy", "1", 5, origin=Origin.HODL)
    assert words(b, "o") == "the hodl bag borrows nothing"


def test_where_no_price_in_dollars_is_known_nothing_is_lent() -> None:
    """Dollars are there; what an euro is worth of them nobody says."""
    b = MarginBench({"USD": "1000"}, replace(FREE, leverage_buy={"BTC/EUR": 5}), instrument=btc(symbol="BTC/EUR"))
    b.market_at("99.9", "100.0")
    b.open("o", "buy", "1", 5)
    assert words(b, "o") == "what stands for it is not known: a price in USD is lacking"


def test_before_the_first_trade_coins_stand_for_what_the_middle_of_the_book_says() -> None:
    """0.9 of (100.0 + 100.2) / 2: 90.09 for a margin of 100.2 / 5 = 20.04."""
    b = MarginBench({"BTC": "1"}, replace(FREE, leverage_buy={"BTC/USDT": 5}))
    b.book(bids="100.0x10", asks="100.2x10", snapshot=True)
    b.open("o", "buy", "1", 5)
    assert b.ends("o") == "filled"
    assert (b.figures.collateral, b.figures.used) == (D("90.09"), D("20.04"))


# -- what the exchange sells ---------------------------------------------------------------------------------------


def candle(b: MarginBench, prices: str, opens: int) -> None:
    o, h, low, c = (b.instrument.ticks(D(price)) for price in prices.split())
    told = Candle(b.instrument.symbol, opens, 100, o, h, low, c, b.instrument.lots(D(100_000)))
    b.exchange.on_event(CandleClosed(b.instrument.symbol, opens + 100, opens + 100, told))


def in_candles(*sizes: str) -> MarginBench:
    """Bought at the open of the second candle, at 100.1 with its slippage."""
    b = MarginBench({"USDT": "1001"}, depth=MarketDepth.CANDLES)
    candle(b, "100 100 100 100", 0)
    for number, size in enumerate(sizes):
        b.open(f"p{number}", "buy", size, 5)
    candle(b, "100 100 100 100", 100)
    return b


def test_its_order_is_of_the_position_whole_and_only_reduces() -> None:
    b = MarginBench({"USDT": "1000"})
    b.market_at("99.9", "100.0")
    b.open("long", "buy", "50", 5)
    b.market_at("87.9", "100.0")
    [sent] = [e.request for e in b.drain() if isinstance(e, OrderSubmitted) and e.request.purpose == "liquidation"]
    assert (sent.quantity, sent.leverage, sent.options.reduce_only) == (D(50), 5, True)
    assert sent.self_trade is SelfTradePrevention.CANCEL_OLDEST
    assert b.wallet._reservations == {}


@pytest.mark.parametrize(
    ("low", "fills"),
    [
        # 30 are sold at 88.0 less 0.1 %, 366 lost; 635 less 20 x 24.1 are below 40 % of the 400.4 that 20 use at 76.3:
        # at 76.4 the equity is 161, at 76.3 it is 159, less than 160.16.
        ("70", ["p0 30 @ 87.9", "p1 20 @ 76.2"]),
        ("76.3", ["p0 30 @ 87.9", "p1 20 @ 76.2"]),
        ("76.4", ["p0 30 @ 87.9"]),
        ("88.1", []),
    ],
)
def test_a_candle_that_falls_on_sells_the_next_one_further_down(low: str, fills: list[str]) -> None:
    b = in_candles("30", "20")
    candle(b, f"100 100 {low} 95", 200)
    sold = [name for name in dict.fromkeys(getattr(e, "client_order_id", "") for e in b.drain()) if "liq" in name]
    found = [f"p{n} {fill.removesuffix(' taker')}" for n, name in enumerate(sold) for fill in b.fills(name)]
    assert found == fills


def test_a_call_in_a_candle_is_told_once() -> None:
    """50 use 1,001; at 96.0 the equity is 796 of it, at the close still."""
    b = in_candles("50")
    candle(b, "100 100 96 96", 200)
    candle(b, "96 96 96 96", 300)
    assert b.calls() == [("0.7952048", False)]
    candle(b, "96 100 96 100", 400)
    candle(b, "100 100 96 100", 500)
    assert len(b.calls()) == 2
