"""Where no book is known. Slippage 0.1 %, tick 0.1: a purchase at 100.5 pays 100.6005, rounded up to 100.7;
a sale gets 100.3995, rounded down to 100.3."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.session.stored_parts import all_said

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.market import Candle, CandleClosed, FeedState, FeedStatus, Heartbeat, MarketDepth
from triplegain.domain.orders import Limit, OrderOptions, StopLoss, TimeInForce
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import MarketByCost, TakeProfit, TrailingStop
from triplegain.exchange.settings import AccountTier, ExchangeSettings

WHOLE = ExchangeSettings(place_delay_ns=0, cancel_delay_ns=0, response_delay_ns=0, account_tier=AccountTier.UNLIMITED)
PARTIAL = replace(WHOLE, partial_fills=True)
LENGTH = 100


@pytest.fixture
def tape(bench: Callable[..., Any]) -> Callable[..., Any]:
    def make(settings: ExchangeSettings = WHOLE, **more: Any) -> Any:
        b = bench(settings=settings, depth=MarketDepth.TAPE, **more)
        b.trade("buy", "1", "100.5")
        return b

    return make


@pytest.fixture
def candles(bench: Callable[..., Any]) -> Callable[..., Any]:
    """One candle has closed at 100.0; orders sent now see the next one from its open."""

    def make(settings: ExchangeSettings = WHOLE) -> Any:
        b = bench(settings=settings, depth=MarketDepth.CANDLES)
        candle(b, "100 100 100 100", "100", 0)
        return b

    return make


def candle(b: Any, prices: str, volume: str, opens: int) -> None:
    """`prices`: open, high, low, close."""
    opened, high, low, close = (b.instrument.ticks(Decimal(word)) for word in prices.split())
    closes = opens + LENGTH
    bar = Candle(b.instrument.symbol, opens, LENGTH, opened, high, low, close, b.instrument.lots(Decimal(volume)))
    b.exchange.on_event(CandleClosed(b.instrument.symbol, closes, closes, bar))
    all_said(b.parts)


def models(b: Any) -> list[str]:
    return [event.explanation["model"] for event in b.drain() if isinstance(event, OrderFilled)]


# -- tape ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "price"), [("buy", "100.7"), ("sell", "100.3")])
def test_a_market_order_waits_for_the_next_trade_and_pays_slippage(
    tape: Callable[..., Any], side: str, price: str
) -> None:
    b = tape()
    b.order("m", side, "1")
    assert b.fills() == []
    b.trade("sell", "5", "100.5")
    assert b.fills() == [f"1 @ {price} taker"]
    assert models(b) == ["tape"]


@pytest.mark.parametrize(("price", "fills"), [("99.0", []), ("98.9", ["1 @ 99 maker"])])
def test_a_touch_does_not_fill_and_a_trade_through_does(tape: Callable[..., Any], price: str, fills: list[str]) -> None:
    b = tape()
    b.order("bid", "buy", "1", "99.0")
    b.trade("sell", "5", "100.0")
    b.trade("sell", "5", price)
    assert b.fills() == fills
    assert models(b) == ["tape_through"][: len(fills)]


def test_a_marketable_limit_takes_the_next_trade_with_slippage(tape: Callable[..., Any]) -> None:
    b = tape()
    b.order("buy", "buy", "1", "101.0")
    b.trade("buy", "5", "100.5")
    assert b.fills() == ["1 @ 100.7 taker"]


def test_a_limit_the_slippage_carries_past_its_price_waits_at_it(tape: Callable[..., Any]) -> None:
    b = tape()
    b.order("buy", "buy", "1", "100.6")  # 100.7 would be too much, but the trade is through 100.6
    b.trade("sell", "5", "100.5")
    assert b.fills() == ["1 @ 100.6 maker"]


@pytest.mark.parametrize(
    ("force", "end"),
    [
        (TimeInForce.GTC, "filled"),
        (TimeInForce.IOC, "cancelled: immediate or cancel: the rest could not be filled at once"),
        (TimeInForce.FOK, "cancelled: fill or kill: it could not be filled whole at once"),
    ],
)
def test_what_the_last_trade_does_not_reach_waits_at_its_price(
    tape: Callable[..., Any], force: TimeInForce, end: str
) -> None:
    b = tape()
    b.trade("sell", "1", "99.0")
    b.order("o", "sell", "1", "100.0", time_in_force=force)
    # It rests there: who buys at 102 has bought it at 100.
    b.trade("buy", "1", "102.0")
    assert b.ends("o") == end
    assert b.fills() == (["1 @ 100 maker"] if force is TimeInForce.GTC else [])


def test_a_market_order_for_at_once_has_the_next_trade_and_no_other(tape: Callable[..., Any]) -> None:
    b = tape(PARTIAL)
    b.trade("sell", "1", "100.0")
    b.order("o", "buy", "25", time_in_force=TimeInForce.IOC)
    b.trade("buy", "3", "100.0")
    assert b.fills() == ["3 @ 100.1 taker"]
    assert b.ends("o") == "cancelled: immediate or cancel: the rest could not be filled at once"


def test_a_purchase_out_of_funds_ends_there_and_not_at_the_next_trade(tape: Callable[..., Any]) -> None:
    b = tape(PARTIAL, balances={"USDT": "202"})
    b.trade("sell", "1", "100.0")
    b.order("o", "buy", "2")
    # 202 / (115.2 x 1.004) = 1.746..: all that 202 USDT pay at 115.0 and its slippage, rounded up to the tick.
    b.trade("buy", "10", "115.0")
    assert b.ends("o") == "cancelled: the funds do not cover the price at which it would fill"
    (fill,) = b.fills("o")
    assert fill.startswith("1.746") and fill.endswith(" @ 115.2 taker")


def test_a_post_only_order_that_becomes_smaller_takes_nothing(tape: Callable[..., Any]) -> None:
    b = tape()
    b.trade("sell", "1", "94.0")
    b.order("o", "buy", "2", Limit(Decimal("93.0"), post_only=True))
    b.trade("sell", "1", "93.0")
    b.amend("o", quantity="1")
    assert (b.refused("o"), b.ends("o")) == ([], "open")


def test_without_parts_a_reachable_limit_needs_a_trade_of_its_size(tape: Callable[..., Any]) -> None:
    b = tape()
    b.trade("sell", "1", "101.0")
    b.order("o", "buy", "10", "101.0")
    b.trade("sell", "3", "98.0")
    assert b.fills() == []
    b.trade("sell", "10", "98.0")
    assert b.fills() == ["10 @ 101 maker"]


def test_a_limit_that_the_tape_goes_through_while_it_is_not_matched_fills_at_its_price(
    tape: Callable[..., Any],
) -> None:
    b = tape()
    b.trade("sell", "1", "100.0")
    b.order("o", "sell", "1", "101.0")
    b.exchange.on_event(FeedStatus(b.instrument.symbol, b.now, b.now, FeedState.GAP, "a hole"))
    b.trade("buy", "1", "101.0")
    assert b.fills() == []
    b.trade("buy", "1", "102.0")
    assert b.fills() == ["1 @ 101 maker"]


def test_post_only_never_takes_on_the_tape(tape: Callable[..., Any]) -> None:
    b = tape()
    b.order("taker", "buy", "1", Limit(Decimal("100.5"), post_only=True))
    b.order("maker", "buy", "1", Limit(Decimal("100.0"), post_only=True))
    b.trade("sell", "5", "99.0")
    assert b.ends("taker") == "rejected: EOrder:Post only order"
    assert b.fills() == ["1 @ 100 maker"]


@pytest.mark.parametrize(
    ("settings", "fills"),
    [(WHOLE, ["2 @ 99 maker"]), (PARTIAL, ["1.5 @ 99 maker", "0.5 @ 99 maker"])],
)
def test_limits_take_what_was_traded_in_parts_or_all_at_once(
    tape: Callable[..., Any], settings: ExchangeSettings, fills: list[str]
) -> None:
    b = tape(settings)
    b.order("bid", "buy", "2", "99.0")
    b.trade("sell", "5", "100.0")
    b.trade("sell", "1.5", "98.0")  # too small for the whole
    b.trade("sell", "2", "98.0")
    assert b.fills() == fills


@pytest.mark.parametrize(
    ("settings", "fills"),
    [(WHOLE, ["2 @ 100.7 taker"]), (PARTIAL, ["1.5 @ 100.7 taker", "0.5 @ 101.2 taker"])],
)
def test_market_orders_take_the_trades_size_in_parts_or_all_at_once(
    tape: Callable[..., Any], settings: ExchangeSettings, fills: list[str]
) -> None:
    b = tape(settings)
    b.order("m", "buy", "2")
    b.trade("sell", "1.5", "100.5")
    b.trade("sell", "9", "101.0")  # 101.0 x 1.001 = 101.101
    assert b.fills() == fills


def test_orders_share_one_trade(tape: Callable[..., Any]) -> None:
    b = tape(PARTIAL)
    for name in ("one", "two"):
        b.order(name, "buy", "1", "99.0")
    b.trade("sell", "9", "100.0")
    b.trade("sell", "1.5", "98.0")
    assert (b.fills("one"), b.fills("two")) == (["1 @ 99 maker"], ["0.5 @ 99 maker"])


def test_immediate_or_cancel_has_the_next_trade_and_no_other(tape: Callable[..., Any]) -> None:
    b = tape()
    b.order("buy", "buy", "1", "100.0", time_in_force=TimeInForce.IOC)
    b.trade("sell", "5", "100.5")
    assert b.ends("buy").startswith("cancelled: immediate or cancel")
    assert b.held("USDT") == "0"


@pytest.mark.parametrize(
    ("side", "trigger", "trade", "price"),
    [
        ("sell", "99.0", "99.0", "98.9"),  # 99.0 x 0.999 = 98.901
        ("sell", "99.0", "95.0", "94.9"),  # 94.905: the trade is the worse one
        ("buy", "101.0", "101.0", "101.2"),  # 101.101
        ("buy", "101.0", "105.0", "105.2"),  # 105.105
    ],
)
def test_a_stop_on_the_tape_pays_the_worse_of_trigger_and_trade(
    tape: Callable[..., Any], side: str, trigger: str, trade: str, price: str
) -> None:
    b = tape()
    b.stop("stop", side, "1", trigger)
    b.trade(side, "5", trade)
    assert b.fills() == [f"1 @ {price} taker"]
    assert models(b) == ["tape_stop"]


@pytest.mark.parametrize(
    ("settings", "fills"),
    # 101.404 / (105.2 x 1.004) = 0.960076..; without parts it is all or nothing
    [(WHOLE, []), (PARTIAL, ["0.96007604 @ 105.2 taker"])],
)
def test_a_stop_that_cannot_be_paid_in_full_leaves_nothing_behind(
    tape: Callable[..., Any], settings: ExchangeSettings, fills: list[str]
) -> None:
    b = tape(settings, balances={"USDT": "101.404", "BTC": "0"})
    b.stop("stop", "buy", "1", "101.0")
    b.trade("buy", "5", "105.0")
    assert b.fills() == fills
    assert b.ends("stop") == "cancelled: the funds do not cover the price at which it would fill"
    assert (b.held("USDT"), b.exchange.orders) == ("0", {})


def test_amending_a_waiting_market_purchase_keeps_its_hold(tape: Callable[..., Any]) -> None:
    b = tape()
    b.order("m", "buy", "2")
    assert b.held("USDT") == "202.2056"  # 2 x 100.7 x 1.004
    b.amend("m", quantity="1")
    assert b.held("USDT") == "101.1028"


def test_a_limit_that_is_amended_out_of_reach_waits(tape: Callable[..., Any]) -> None:
    b = tape()
    b.order("bid", "buy", "1", "101.0")
    b.amend("bid", price="100.0")
    b.trade("sell", "5", "99.0")
    assert b.fills() == ["1 @ 100 maker"]


def test_a_market_order_before_the_first_trade_is_refused(bench: Callable[..., Any]) -> None:
    b = bench(depth=MarketDepth.TAPE)
    b.order("m", "buy", "1")
    assert b.ends("m") == "rejected: EService:Unavailable"


@pytest.mark.parametrize(
    ("limit", "trade", "fill"), [("100.1", "100.0", "1 @ 100.1 maker"), ("101.0", "100.0", "1 @ 100.1 taker")]
)
def test_what_is_amended_out_of_reach_waits_for_a_trade_through_it(
    tape: Callable[..., Any], limit: str, trade: str, fill: str
) -> None:
    """The last trade is 100.5: at 101.0 it takes the next trade, 100.0 and 0.1 %; at 100.1 it waits for one below."""
    b = tape()
    b.order("bid", "buy", "1", "100.6")
    b.amend("bid", price=limit)
    b.trade("sell", "5", trade)
    assert b.fills() == [fill]


# -- candles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "price"), [("buy", "101.2"), ("sell", "100.8")])
def test_a_market_order_fills_at_the_next_open_with_slippage(
    candles: Callable[..., Any], side: str, price: str
) -> None:
    b = candles()
    b.order("m", side, "1")
    assert b.fills() == []
    candle(b, "101 105 95 102", "100", 100)  # 101 x 1.001 = 101.101; 101 x 0.999 = 100.899
    assert b.fills() == [f"1 @ {price} taker"]
    assert models(b) == ["candle"]


def test_a_candle_that_was_open_already_is_not_traded_on(candles: Callable[..., Any]) -> None:
    b = candles()
    b.exchange.on_event(Heartbeat(150, 150))
    b.order("m", "buy", "1")
    candle(b, "50 105 50 102", "100", 100)  # opened 50 before the order was sent
    assert b.fills() == []
    candle(b, "102 105 95 102", "100", 200)  # 102.102
    assert b.fills() == ["1 @ 102.2 taker"]


@pytest.mark.parametrize(("low", "fills"), [("98", []), ("97.9", ["1 @ 98 maker"])])
def test_a_limit_needs_a_candle_through_it_from_the_first_on(
    candles: Callable[..., Any], low: str, fills: list[str]
) -> None:
    b = candles()
    b.order("bid", "buy", "1", "98.0")
    candle(b, f"100 101 {low} 100", "100", 100)
    assert b.fills() == fills


def test_a_marketable_limit_takes_the_open(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("buy", "buy", "1", "102.0")
    candle(b, "101 105 95 102", "100", 100)
    assert b.fills() == ["1 @ 101.2 taker"]


def test_immediate_or_cancel_has_one_open(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("buy", "buy", "1", "100.0", time_in_force=TimeInForce.IOC)
    candle(b, "101 105 95 102", "100", 100)
    assert b.fills() == []
    assert b.ends("buy").startswith("cancelled: immediate or cancel")


@pytest.mark.parametrize(
    ("settings", "fills"),
    [(PARTIAL, ["1 @ 100.1 taker", "1 @ 100.1 taker"]), (WHOLE, ["2 @ 100.1 taker"])],
)
def test_a_tenth_of_a_candles_volume_is_there(
    candles: Callable[..., Any], settings: ExchangeSettings, fills: list[str]
) -> None:
    b = candles(settings)
    b.order("m", "buy", "2")
    candle(b, "100 100 100 100", "10", 100)  # 1.0: in parts one half, else nothing
    assert b.fills() == fills[: 1 if settings is PARTIAL else 0]
    candle(b, "100 100 100 100", "20", 200)
    assert b.fills() == fills


def test_orders_share_a_candles_volume(candles: Callable[..., Any]) -> None:
    b = candles(PARTIAL)
    for name in ("one", "two"):
        b.order(name, "buy", "0.8")
    candle(b, "100 100 100 100", "10", 100)
    assert (b.fills("one"), b.fills("two")) == (["0.8 @ 100.1 taker"], ["0.2 @ 100.1 taker"])


@pytest.mark.parametrize(
    ("prices", "price"),
    [("100 101 98 100", "98.9"), ("97 98 96 97", "96.9"), ("100 101 99.1 100", None)],
    # 99 x 0.999 = 98.901; opened at 97 already: 96.903; never reached
)
def test_a_stop_gets_the_worse_of_stop_and_open(candles: Callable[..., Any], prices: str, price: str | None) -> None:
    b = candles()
    b.stop("stop", "sell", "1", "99.0")
    candle(b, prices, "100", 100)
    assert b.fills() == ([f"1 @ {price} taker"] if price else [])


def test_a_stop_that_a_candle_reaches_and_cannot_fill_is_stored_as_triggered(candles: Callable[..., Any]) -> None:
    b = candles()
    b.stop("stop", "sell", "1", "99.0")
    assert b.fills() == []
    candle(b, "100 100 98 99", "1", 100)  # a tenth of the 1 that was traded is not the whole order
    assert b.fills() == [] and b.exchange.orders["stop"].triggered


def test_a_stop_purchase_gets_the_worse_of_stop_and_open(candles: Callable[..., Any]) -> None:
    b = candles()
    b.stop("gapped", "buy", "1", "101.0")
    candle(b, "103 104 102 103", "100", 100)  # 103.103
    assert b.fills() == ["1 @ 103.2 taker"]


def test_the_stop_comes_before_the_target_when_a_candle_holds_both(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("target", "sell", "1", "105.0")
    b.stop("stop", "sell", "1", "99.0")
    candle(b, "100 106 98 100", "10", 100)  # 1.0 is there for both
    assert (b.fills("stop"), b.fills("target")) == (["1 @ 98.9 taker"], [])


def test_what_was_triggered_and_waits_for_volume_is_a_market_order(candles: Callable[..., Any]) -> None:
    """0.4 of 1 at 101 x 1.001, up to 101.2: 40.48 and 0.4 % are 40.64192 of 101 and 0.404. It has no price to amend."""
    b = candles(PARTIAL)
    b.stop("stop", "buy", "1", "101.0")
    candle(b, "100 101 100 100", "4", 100)
    assert (b.fills(), b.held("USDT")) == (["0.4 @ 101.2 taker"], "60.76208")
    b.amend("stop", price="99.0")
    assert b.refused("stop") == ["EGeneral:Invalid arguments:price"]
    b.amend("stop", quantity="0.9")  # 0.5 more at 100 x 1.001 and 0.4 %
    assert b.held("USDT") == "50.2502"


def test_a_candle_without_volume_fills_nothing(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("m", "buy", "1")
    candle(b, "100 100 100 100", "0", 100)
    assert b.fills() == []


def test_a_trigger_that_a_candle_has_moved_is_stored(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("t", "sell", "1", TrailingStop(Offset(Sign.PLUS, Decimal(2))))
    candle(b, "100 100 99 100", "100", 100)
    assert json.loads(all_said(b.parts)["exchange.order", "1"])["peak"] == "1000"
    candle(b, "100 105 100 104", "100", 200)
    assert json.loads(all_said(b.parts)["exchange.order", "1"])["peak"] == "1050"


def test_a_missed_trade_of_before_an_order_stood_does_nothing_to_it(tape: Callable[..., Any]) -> None:
    b = tape(PARTIAL)
    b.trade("buy", "1", "100.5", at=10)
    b.order("bid", "buy", "1", "100.0")
    b.exchange.on_event(FeedStatus(b.instrument.symbol, 11, 11, FeedState.CATCH_UP, "catching up"))
    b.trade("sell", "5", "99.0", at=9)
    assert b.fills() == []
    b.trade("sell", "0.4", "99.0", at=12)
    b.trade("sell", "5", "99.0", at=13)
    assert b.fills() == ["0.4 @ 100 maker", "0.6 @ 100 maker"]


def test_how_much_is_bought_by_cost_is_stored_while_a_candle_has_too_little_of_it(candles: Callable[..., Any]) -> None:
    """1001 at 100.1 are 10 coins; at 101.2 for the second candle 9.89130434. A tenth of a candle's volume is there."""
    b = candles()
    b.order("cost", "buy", "0", MarketByCost(Decimal(1001)))
    candle(b, "100 100 100 100", "99", 100)
    assert b.ends("cost") == "open"
    candle(b, "101 101 101 101", "98.9", 200)
    assert b.ends("cost") == "open"
    candle(b, "101 101 101 101", "99", 300)
    assert b.fills() == ["9.89130434 @ 101.2 taker"]


@pytest.mark.parametrize("first", ["stop", "target"])
@pytest.mark.parametrize("target", [TakeProfit(Decimal(105)), "105.0"])
def test_a_candle_with_stop_and_target_is_the_stops_whichever_came_first(
    candles: Callable[..., Any], first: str, target: Any
) -> None:
    b = candles()
    sends = {"stop": StopLoss(Decimal(99)), "target": target}
    for name in sorted(sends, key=lambda name: name != first):
        b.order(name, "sell", "1", sends[name])
    candle(b, "100 106 98 100", "10", 100)  # there is volume for one
    # 99 - 0.1 % = 98.901
    assert (b.fills("stop"), b.fills("target")) == (["1 @ 98.9 taker"], [])


@pytest.mark.parametrize(
    ("settings", "fills"),
    [
        (WHOLE, ["2 @ 98.9 taker"]),  # the first candle has 1 for 2
        (PARTIAL, ["1 @ 98.9 taker", "1 @ 98.9 taker"]),
    ],
)
def test_what_a_stops_candle_has_no_volume_for_is_not_sold_better_later(
    candles: Callable[..., Any], settings: ExchangeSettings, fills: list[str]
) -> None:
    b = candles(settings)
    b.stop("s", "sell", "2", "99.0")
    candle(b, "100 100 90 91", "10", 100)
    candle(b, "105 106 104 105", "1000", 200)
    assert b.fills() == fills


def test_the_stop_of_a_sale_by_conditional_close_meets_its_candle(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("e", "sell", "1", options=OrderOptions(close=StopLoss(Decimal(101))))
    candle(b, "100 102 100 100", "100", 100)
    # sold at 100 - 0.1 % = 99.9; bought back at 101 + 0.1 % = 101.101, up to the tick
    assert b.fills() == ["1 @ 99.9 taker", "1 @ 101.2 taker"]
