"""Worked liquidations: where the level falls below 40 % positions are sold, oldest first, each whole, until it is 80 %.

Leverage 5 uses a fifth: 1,000 USDT carry 5,000, and the level is 40 % where 600 of them are lost.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.margin_bench import FREE, MarginBench

from triplegain.domain.market import Candle, CandleClosed, FeedState, FeedStatus, MarketDepth
from triplegain.domain.orders import OrderOptions, StopLoss
from triplegain.domain.terms import TakeProfit
from triplegain.execution.margin_exits import MarginExits


def loaded(balance: str = "1000", *sizes: str, side: str = "buy") -> MarginBench:
    """Positions of these sizes, all opened at 100 with leverage 5."""
    b = MarginBench({"USDT": balance})
    b.market_at(*(("100.0", "100.1") if side == "sell" else ("99.9", "100.0")))
    b.trade("buy", "0.0001", "100.0")
    for number, size in enumerate(sizes):
        b.open(f"p{number}", side, size, 5)
    b.ledger()
    return b


def sold(b: MarginBench) -> list[str]:
    """The fills of the exchange's own orders."""
    return [f"{name}: {fill}" for name in liquidations(b) for fill in b.fills(name)]


def liquidations(b: MarginBench) -> list[str]:
    names = [getattr(event, "client_order_id", "") for event in b.drain()]
    return [name for name in dict.fromkeys(names) if name.startswith("tg-liq-")]


# -- with a book ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "is_sold"),
    # 1,000 - 50 x 12.0 = 400 of 1,000 is 40 %, and not below
    [("88.0", False), ("87.9", True)],
)
def test_below_forty_percent_it_is_sold_through_the_book(bid: str, is_sold: bool) -> None:
    b = loaded("1000", "50")
    b.market_at(bid, "100.0")
    assert bool(sold(b)) is is_sold
    assert b.calls() == ([("0.395", True)] if is_sold else [("0.4", False)])


def test_it_walks_the_book_and_pays_what_is_there() -> None:
    """29.999 x 12.1 and 20.001 x 13.0: the trade that began it has taken 0.001."""
    b = loaded("1000", "50")
    b.book(bids="87.9x30 87.0x30", asks="100.0x9", snapshot=True)
    b.trade("sell", "0.001", "87.9")
    assert sold(b) == ["tg-liq-2: 29.999 @ 87.9 taker", "tg-liq-2: 20.001 @ 87 taker"]
    assert b.positions == []
    assert b.total("USDT") == "376.9991"


@pytest.mark.parametrize(
    ("sizes", "left"),
    [
        # 395 of 600 that the second uses is 65.8 %: both; of 400 it is 98.75 %: the first is enough
        (("20", "30"), []),
        (("30", "20"), ["buy 20 for 2000"]),
        # 395 of 493.8 is 79.99 %, of 493.6 80.02 %
        (("25.31", "24.69"), []),
        (("25.32", "24.68"), ["buy 24.68 for 2468"]),
    ],
)
def test_the_oldest_is_sold_first_and_whole_until_the_level_is_restored(
    sizes: tuple[str, str], left: list[str]
) -> None:
    b = loaded("1000", *sizes)
    b.market_at("87.9", "100.0")
    assert (b.positions, len(liquidations(b))) == (left, 2 - len(left))
    assert not b.exchange.margin.state.liquidating


def test_the_oldest_goes_first_even_if_it_is_the_one_that_gains() -> None:
    """Of two pairs the order is that of age; of one pair all have lost what the price says. Bought 10 at 80 and 40 at
    100: at 87.9 the first has gained 79, the second lost 484: 595 of 960 is 62 %; at 82.0 it is 300 of 960: 31 %."""
    b = MarginBench({"USDT": "1000"})
    b.market_at("79.9", "80.0")
    b.open("cheap", "buy", "10", 5)
    b.market_at("99.9", "100.0")
    b.open("dear", "buy", "40", 5)
    b.market_at("82.0", "100.0")
    assert b.positions == []
    assert [f for name in liquidations(b) for f in b.fills(name)] == ["10 @ 82 taker", "40 @ 82 taker"]
    assert b.total("USDT") == "300"  # 20 - 720


def test_a_short_is_bought_back() -> None:
    """Sold 50 at 100: at p the equity is 1,000 - 50 (p - 100), the margin 10 p: below 40 % from 111.2 on: 440 of 1,112.
    Bought at 111.3: 565 lost."""
    b = loaded("1000", "50", side="sell")
    b.market_at("111.1", "111.2")
    assert b.positions == ["sell 50 for 5000"]
    b.market_at("111.2", "111.3")
    assert (b.positions, b.total("USDT")) == ([], "435")


def test_a_thin_book_is_sold_into_as_far_as_it_goes_and_again_with_the_next_event() -> None:
    """What was taken stays taken: 19.9, the 0.1 that a newer book shows again, then the 30 that come."""
    b = loaded("1000", "50")
    b.book(bids="87.9x20", asks="100.0x9", snapshot=True)
    b.trade("sell", "0.1", "87.9")
    assert b.positions[0].startswith("buy 30.1 for")
    assert b.exchange.margin.state.liquidating
    for ask in ("101.0", "101.1", "101.2"):
        b.book(asks=f"{ask}x9")
    assert len(liquidations(b)) == 2  # nobody comes: nothing is sent
    b.book(bids="87.8x100", asks="100.0x9", snapshot=True)
    assert b.positions == []
    assert [each.partition(": ")[2] for each in sold(b)] == [
        "19.9 @ 87.9 taker", "0.1 @ 87.9 taker", "30 @ 87.8 taker",
    ]  # fmt: skip


def test_what_has_begun_goes_on_though_the_price_comes_back_a_little() -> None:
    """At 88.5 the level is above 40 % again, and below 80."""
    b = loaded("1000", "50")
    b.book(bids="87.9x1", asks="100.0x9", snapshot=True)
    b.trade("sell", "0.1", "87.9")
    b.market_at("88.5", "100.0")
    assert b.positions == []


def test_what_is_lost_beyond_everything_is_owed_and_never_clipped() -> None:
    """100 USDT, 5 at 100, sold at 70: 150 lost, 50 owed: equity is -50."""
    b = loaded("100", "5")
    b.market_at("70.0", "100.0")
    assert (b.positions, b.total("USDT"), b.owed) == ([], "0", "50")
    assert b.ledger() == [("margin", "wallet", "-150"), ("borrowed", "wallet", "50"), ("borrowed", "debt", "-50")]
    assert b.figures.equity == -50
    assert b.calls() == [("-0.5", True)]
    b.open("again", "buy", "0.1", 5)
    assert b.ends("again") == "rejected: EOrder:Insufficient margin"


def test_orders_that_could_open_something_end_and_those_that_reduce_stay_until_the_position_is_gone() -> None:
    b = loaded("1000", "49")
    b.open("opens", "buy", "1", 5, "80.0")
    b.order("spot", "buy", "0.05", "80.0")  # 4 of 20 - 16
    b.open("reduces", "sell", "49", 5, "150.0", options=OrderOptions(reduce_only=True))
    b.market_at("87.0", "100.0")  # 1,000 - 49 x 13 = 363 of 980
    assert b.ends("opens") == "cancelled: liquidation: the margin level is too low"
    assert b.ends("spot") == "open"
    assert b.positions == []
    assert b.ends("reduces") == "cancelled: reduce only: the position is closed"


def test_a_leverage_that_is_not_offered_opens_nothing_and_stays_as_well() -> None:
    b = loaded("1000", "49")
    b.open("reduces", "sell", "49", 50, "150.0")
    b.market_at("87.0", "100.0")
    assert (b.positions, b.ends("reduces")) == ([], "cancelled: reduce only: the position is closed")


def test_in_a_market_that_is_not_matched_it_waits() -> None:
    b = loaded("1000", "50")
    b.exchange.on_event(FeedStatus(b.instrument.symbol, b.now, b.now, FeedState.MAINTENANCE, "maintenance"))
    b.trade("sell", "1", "85.0")
    assert (b.positions, b.calls()) == (["buy 50 for 5000"], [("0.25", True)])
    b.exchange.on_event(FeedStatus(b.instrument.symbol, b.now, b.now, FeedState.SYNCED, ""))
    b.market_at("90.0", "100.0")  # 500 of 1,000: below 80 %, and it has begun
    assert b.positions == []


def test_a_call_is_told_once_and_again_when_it_has_been_above() -> None:
    b = loaded("1000", "50")
    for bid in ("95.9", "95.0", "97.0", "95.8"):
        b.market_at(bid, "100.0")
    assert b.calls() == [("0.795", False), ("0.79", False)]


def test_the_explanation_says_it_was_a_liquidation() -> None:
    b = loaded("1000", "50")
    b.market_at("87.0", "100.0")
    (name,) = liquidations(b)
    assert b.margin_of(name) == [{"leverage": 5, "closed": "50", "gain": "-650"}]


# -- on a tape -----------------------------------------------------------------------------------------------------


def test_on_a_tape_it_gets_the_next_trade_with_slippage() -> None:
    """Bought at 100.1: 1,001 - 50 x 12.1 = 396 of 1,001. The trade at 88.0 begins it; the next, 87.5, pays 87.4."""
    b = MarginBench({"USDT": "1001"}, depth=MarketDepth.TAPE)
    b.trade("sell", "100", "100.0")
    b.open("long", "buy", "50", 5)
    b.trade("sell", "100", "100.0")
    assert b.positions == ["buy 50 for 5005"]
    b.trade("sell", "100", "88.0")
    assert b.positions == ["buy 50 for 5005"]
    b.trade("sell", "100", "87.5")
    assert (b.positions, sold(b)) == ([], ["tg-liq-2: 50 @ 87.4 taker"])


# -- with candles --------------------------------------------------------------------------------------------------


def candle(b: MarginBench, prices: str, opens: int, volume: str = "100000") -> None:
    instrument, length = b.instrument, 100
    o, h, low, c = (instrument.ticks(Decimal(price)) for price in prices.split())
    closed = Candle(instrument.symbol, opens, length, o, h, low, c, instrument.lots(Decimal(volume)))
    b.exchange.on_event(CandleClosed(instrument.symbol, opens + length, opens + length, closed))


def of_candles(**more: Any) -> MarginBench:
    """50 bought at the open of the second candle, at 100.1: 5,005, of which 1,001 are used. 40 % of it are 400.4; at
    88.1 the equity is 1,001 - 50 x 12.0 = 401, at 88.0 it is 396."""
    b = MarginBench({"USDT": "1001"}, replace(FREE, **more), depth=MarketDepth.CANDLES)
    candle(b, "100 100 100 100", 0)
    b.open("long", "buy", "50", 5)
    return b


@pytest.mark.parametrize(
    ("prices", "fill"),
    [
        # at the price where it fell too low, less 0.1 %: 87.912
        ("100 101 80 95", "50 @ 87.9 taker"),
        # the low alone counts, whatever the close
        ("100 101 88.0 100", "50 @ 87.9 taker"),
        ("100 101 88.1 100", None),
    ],
)
def test_a_candle_that_goes_through_the_level_sells_at_it(prices: str, fill: str | None) -> None:
    b = of_candles()
    candle(b, prices, 100)
    assert [f for name in liquidations(b) for f in b.fills(name)] == ([fill] if fill else [])
    assert bool(b.positions) is (fill is None)


def test_an_open_beyond_the_level_is_what_it_gets() -> None:
    """85 x 0.999 = 84.915."""
    b = of_candles()
    candle(b, "100 101 99 100", 100)
    candle(b, "85 90 80 90", 200)
    assert [f for name in liquidations(b) for f in b.fills(name)] == ["50 @ 84.9 taker"]
    assert b.total("USDT") == "241"  # 50 x 15.2 lost


def test_what_the_volume_does_not_take_waits_for_the_next_open() -> None:
    """A tenth of 100 is 10; without parts it is all or nothing."""
    b = of_candles()
    candle(b, "100 101 99 100", 100)
    candle(b, "100 100 85 90", 200, volume="100")
    assert b.positions == ["buy 50 for 5005"]
    candle(b, "90 90 85 90", 300, volume="100")
    assert len(liquidations(b)) == 1
    candle(b, "91 92 90 91", 400)  # 90.909
    assert (b.positions, b.fills("tg-liq-2")) == ([], ["50 @ 90.9 taker"])


def test_a_stop_that_lies_nearer_comes_first() -> None:
    b = of_candles()
    candle(b, "100 101 99 100", 100)
    b.open("stop", "sell", "50", 5, StopLoss(Decimal("95.0")), options=OrderOptions(reduce_only=True))
    candle(b, "100 101 80 90", 200)
    assert (b.fills("stop"), liquidations(b)) == (["50 @ 94.9 taker"], [])


def test_a_call_inside_a_candle_is_told() -> None:
    """At 96.0: 1,001 - 205 = 796 of 1,001."""
    b = of_candles()
    candle(b, "100 101 99 100", 100)
    candle(b, "100 101 96 100", 200)
    assert b.calls() == [("0.7952048", False)]


def test_a_bid_of_our_own_is_not_in_its_way() -> None:
    """1,000 - 40 x 17.1 = 316 of 800. The bid at 83.0 is next, and ends: 40 go to the public one behind it."""
    b = loaded("1000", "40")
    b.order("bid", "buy", "1", "83.0")
    b.market_at("82.9", "100.0")
    assert (b.positions, [each.partition(": ")[2] for each in sold(b)]) == ([], ["40 @ 82.9 taker"])
    assert b.ends("bid").startswith("cancelled: ")


def test_nor_is_it_in_the_way_of_whoever_closes_everything() -> None:
    b = loaded("1000", "20")
    b.order("bid", "buy", "1", "99.5")
    b.book(bids="99.0x1000", asks="100.0x1000", snapshot=True)
    MarginExits(b.exchange, lambda symbol: None).send()
    b.exchange.run_through(b.exchange.now_ns)
    assert (b.positions, b.ends("bid").partition(":")[0], b.total("USDT")) == ([], "cancelled", "980")


@pytest.mark.parametrize("target", ["105.0", TakeProfit(Decimal(105))])
def test_a_candle_with_target_and_liquidation_is_the_liquidations(target: Any) -> None:
    """40 at 100.1 are 4,004 and use 800.8: 320.32 are the 40 % of it, so that 679.68 may be lost, 16.992 each."""
    b = MarginBench({"USDT": "1000"}, depth=MarketDepth.CANDLES)
    candle(b, "100 100 100 100", 0)
    b.open("long", "buy", "40", 5)
    candle(b, "100 100 100 100", 100)
    b.open("tp", "sell", "40", 5, target, options=OrderOptions(reduce_only=True))
    candle(b, "100 106 80 100", 200)
    # at 83.1 it is too low: 83.1 - 0.1 % = 83.0169, down to the tick
    assert sold(b) == ["tg-liq-3: 40 @ 83 taker"]
    assert (b.fills("tp"), b.total("USDT")) == ([], "316")  # 1,000 - 40 x 17.1


def test_the_stop_of_a_short_meets_the_candle_that_opened_it() -> None:
    b = MarginBench({"USDT": "1000"}, depth=MarketDepth.CANDLES)
    candle(b, "100 100 100 100", 0)
    b.open("e", "sell", "10", 2, position_id="p")
    candle(b, "100 102 100 100", 100)
    b.open("stop", "buy", "10", 2, StopLoss(Decimal(101)), options=OrderOptions(reduce_only=True), position_id="p")
    assert b.fills() == ["10 @ 99.9 taker", "10 @ 101.2 taker"]
