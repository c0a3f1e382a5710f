"""What is decided at a close is carried out at the next open. Candles of 100 ns; slippage 0.1 %, tick 0.1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.exchange.test_simple_models import LENGTH, WHOLE, candle, models
from tests.session.stored_parts import all_said

from triplegain.domain.exchange_events import OrderAccepted, OrderAmended, OrderCancelled, OrderFilled
from triplegain.domain.market import Heartbeat, MarketDepth
from triplegain.domain.orders import Limit, OrderOptions, StopLoss, TimeInForce
from triplegain.domain.terms import TakeProfit

#: Less than a candle.
SLOW = replace(WHOLE, place_delay_ns=70, cancel_delay_ns=50, response_delay_ns=30, jitter_ns=20)


@pytest.fixture
def candles(bench: Callable[..., Any]) -> Callable[..., Any]:
    """One candle has closed at 100.0, at 100."""

    def make(settings: Any = SLOW, **more: Any) -> Any:
        b = bench(settings=settings, depth=MarketDepth.CANDLES, **more)
        candle(b, "100 100 100 100", "100", 0)
        return b

    return make


def pass_to(b: Any, time_ns: int) -> None:
    b.exchange.on_event(Heartbeat(time_ns, time_ns))


def times(b: Any, kind: type[OrderAccepted | OrderAmended | OrderCancelled]) -> list[tuple[int, int]]:
    """When it happened and when it was known."""
    return [(event.time_ns, event.visible_at_ns) for event in b.drain() if isinstance(event, kind)]


def test_a_stop_taken_back_at_a_close_is_followed_by_its_sale_at_the_very_open(candles: Callable[..., Any]) -> None:
    b = candles()
    b.stop("stop", "sell", "1", "99.0")
    candle(b, "100 101 99.5 100", "100", 100)
    b.cancel("stop")
    assert times(b, OrderCancelled) == [(200, 200)]  # no time passes: the sale can be sent
    b.order("exit", "sell", "1")
    candle(b, "97 98 96 97", "100", 200)  # 97 x 0.999 = 96.903
    assert (b.fills(), b.ends("stop")) == (["1 @ 96.9 taker"], "cancelled: User requested")


def test_a_stop_guards_until_the_open_at_which_its_cancel_inside_a_candle_counts(candles: Callable[..., Any]) -> None:
    b = candles()
    b.stop("stop", "sell", "1", "99.0")
    candle(b, "100 101 99.5 100", "100", 100)
    pass_to(b, 230)
    b.cancel("stop")
    pass_to(b, 299)
    assert b.ends("stop") == "open"
    candle(b, "100 101 99.5 100", "100", 200)
    assert b.ends("stop") == "open"  # after all that is told at this close
    pass_to(b, 301)
    assert times(b, OrderCancelled) == [(301, 301)]
    b.order("exit", "sell", "1")  # in answer to it: of the open at 300
    candle(b, "98 98 97 97", "100", 300)  # 98 x 0.999 = 97.902
    assert b.fills() == ["1 @ 97.9 taker"]


def test_a_stop_that_fires_before_its_cancel_counts_has_sold(candles: Callable[..., Any]) -> None:
    b = candles()
    b.stop("stop", "sell", "1", "99.0")
    pass_to(b, 130)
    b.cancel("stop")
    candle(b, "100 101 98 100", "100", 100)
    pass_to(b, 202)
    assert (b.fills(), b.refused("stop")) == (["1 @ 98.9 taker"], ["EOrder:Unknown order"])


@pytest.mark.parametrize(
    ("at", "fills", "amended"),
    [
        (200, ["1 @ 97.9 taker"], (200, 200)),  # at the close: the candle's low of 97.5 finds it at 98: 97.902
        (230, [], (301, 301)),  # inside it: at the next open
    ],
)
def test_a_stop_is_moved_at_an_open(
    candles: Callable[..., Any], at: int, fills: list[str], amended: tuple[int, int]
) -> None:
    b = candles()
    b.stop("stop", "sell", "1", "95.0")
    candle(b, "100 100 100 100", "100", 100)
    pass_to(b, at)
    b.amend("stop", price="98.0")
    candle(b, "100 100 97.5 100", "100", 200)
    pass_to(b, 301)
    assert (b.fills(), times(b, OrderAmended)) == (fills, [amended])


def test_what_no_candle_under_way_can_fill_is_taken_back_at_once(candles: Callable[..., Any]) -> None:
    b = candles()
    pass_to(b, 130)
    b.order("bid", "buy", "1", "99.0")  # meets the candle that opens at 200
    pass_to(b, 140)
    b.cancel("bid")
    assert times(b, OrderCancelled) == [(140, 140)]


def test_a_limit_that_the_candle_under_way_may_have_filled_is_not_taken_back_before_it_is_over(
    candles: Callable[..., Any],
) -> None:
    b = candles()
    b.order("bid", "buy", "1", "99.0")
    pass_to(b, 140)
    b.cancel("bid")
    candle(b, "100 100 98.9 100", "100", 100)
    pass_to(b, 250)
    assert (b.fills(), b.refused("bid")) == (["1 @ 99 maker"], ["EOrder:Unknown order"])


@pytest.mark.parametrize(("after", "fills"), [(0, ["1 @ 101.2 taker"]), (1, ["1 @ 101.2 taker"]), (2, [])])
def test_what_is_sent_later_than_a_close_never_gets_its_open(
    candles: Callable[..., Any], after: int, fills: list[str]
) -> None:
    b = candles()
    pass_to(b, 100 + after)
    b.order("m", "buy", "1")
    candle(b, "101 101 101 101", "100", 100)  # 101.101
    assert b.fills() == fills


def test_a_delay_of_a_candle_and_more_counts_in_full(candles: Callable[..., Any]) -> None:
    b = candles(replace(SLOW, place_delay_ns=130, response_delay_ns=230))
    b.order("m", "buy", "1")  # sent at 100, there between 230 and 250
    candle(b, "101 101 101 101", "100", 100)
    candle(b, "102 102 102 102", "100", 200)
    assert b.fills() == []
    candle(b, "103 103 103 103", "100", 300)  # 103.103
    assert b.fills() == ["1 @ 103.2 taker"]
    ((happened, known),) = times(b, OrderAccepted)
    assert 230 <= happened <= 250 and 230 <= known - happened <= 250


def test_a_take_profit_of_which_the_candle_under_way_sees_no_open_is_taken_back_at_once(
    candles: Callable[..., Any],
) -> None:
    b = candles()
    pass_to(b, 130)
    b.order("profit", "sell", "1", TakeProfit(Decimal("101.0")))  # meets the candle that opens at 200
    pass_to(b, 140)
    b.cancel("profit")
    assert times(b, OrderCancelled) == [(140, 140)]


@pytest.mark.parametrize(
    ("sent", "known", "cancelled"),
    [
        # There at 230, it meets the open of 300; its cancel, sent at 200, is there at 330, inside that candle.
        (100, 200, 401),
        # Nothing was told since 100: the limit of 250 meets the open of 700, were there one.
        (250, 730, 801),
    ],
)
def test_a_cancel_waits_for_the_candle_that_is_under_way_when_it_arrives(
    candles: Callable[..., Any], sent: int, known: int, cancelled: int
) -> None:
    delay = 130 if known == 200 else 70
    b = candles(replace(SLOW, place_delay_ns=delay, cancel_delay_ns=delay, jitter_ns=0))
    pass_to(b, sent)
    b.order("bid", "buy", "1", "99.0")
    if known == 200:
        candle(b, "100 100 100 100", "100", 100)
    pass_to(b, known)
    b.cancel("bid")
    pass_to(b, 1000)
    assert times(b, OrderCancelled) == [(cancelled, cancelled)]


def test_a_cancel_does_not_overtake_its_order_before_the_first_candle(bench: Callable[..., Any]) -> None:
    b = bench(settings=replace(SLOW, place_delay_ns=20, cancel_delay_ns=10, jitter_ns=0), depth=MarketDepth.CANDLES)
    b.order("bid", "buy", "1", "99.0")
    b.cancel("bid")
    pass_to(b, 50)
    assert b.ends("bid") == "cancelled: User requested"


# -- the candle of a purchase ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "fills"),
    [
        ("100 101 98 100", ["1 @ 100.1 taker", "1 @ 98.9 taker"]),  # 99 x 0.999 = 98.901
        ("98 101 97 100", ["1 @ 98.1 taker", "1 @ 97.9 taker"]),  # bought below its stop: the worse is the open
        ("100 101 99.1 100", ["1 @ 100.1 taker"]),
    ],
)
def test_the_stop_that_follows_a_purchase_meets_the_candle_that_bought(
    candles: Callable[..., Any], prices: str, fills: list[str]
) -> None:
    b = candles()
    b.order("entry", "buy", "1", position_id="pos-1")
    candle(b, prices, "100", 100)
    b.order("stop", "sell", "1", StopLoss(Decimal("99.0")), position_id="pos-1")
    assert b.fills() == fills
    assert models(b) == ["candle", "candle_stop"][: len(fills)]


def test_so_does_the_stop_of_a_limit_that_the_candle_went_through(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("entry", "buy", "1", Limit(Decimal("99.5")), position_id="pos-1")
    candle(b, "100 100 98 100", "100", 100)  # whoever comes from 99.5 to 98 passes 99
    b.order("stop", "sell", "1", StopLoss(Decimal("99.0")), position_id="pos-1")
    assert b.fills() == ["1 @ 99.5 maker", "1 @ 98.9 taker"]


@pytest.mark.parametrize(
    ("position_id", "wait"),
    [
        ("pos-2", 0),  # of another position
        (None, 0),  # of none
        ("pos-1", 2),  # not in answer to the purchase
    ],
)
def test_no_other_stop_meets_a_candle_that_is_over(
    candles: Callable[..., Any], position_id: str | None, wait: int
) -> None:
    b = candles()
    b.order("entry", "buy", "1", position_id="pos-1")
    candle(b, "100 101 98 100", "100", 100)
    pass_to(b, 200 + wait)
    b.order("stop", "sell", "1", StopLoss(Decimal("99.0")), position_id=position_id)
    assert b.fills() == ["1 @ 100.1 taker"]


def test_a_stop_that_the_exchange_opens_for_a_purchase_meets_the_candle_that_bought(
    candles: Callable[..., Any],
) -> None:
    b = candles()
    b.order("entry", "buy", "1", options=OrderOptions(close=StopLoss(Decimal("99.0"))))
    candle(b, "100 101 98 100", "100", 100)
    assert b.fills() == ["1 @ 100.1 taker", "1 @ 98.9 taker"]


def test_a_scheduled_order_meets_no_open_from_before_its_time(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("m", "buy", "1", options=OrderOptions(starts_at_ns=130))
    candle(b, "101 101 101 101", "100", 100)
    assert b.fills() == []
    candle(b, "102 102 102 102", "100", 200)  # 102.102
    assert b.fills() == ["1 @ 102.2 taker"]


def test_an_edit_inside_a_candle_takes_the_place_of_what_the_candle_left(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("bid", "buy", "1", "99.0")
    pass_to(b, 140)
    b.order("other", "buy", "1", "98.0", options=OrderOptions(replaces="bid"))
    candle(b, "100 100 98.5 100", "100", 100)
    pass_to(b, 201)
    assert b.fills() == ["1 @ 99 maker"]
    assert b.ends("other") == "rejected: EOrder:Unknown order"


def test_a_stop_raised_in_the_same_moment_meets_only_what_is_to_come(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("entry", "buy", "1", position_id="pos-1")
    candle(b, "100 101 98 100", "100", 100)
    b.order("stop", "sell", "1", StopLoss(Decimal("97.0")), position_id="pos-1")
    b.amend("stop", price="99.0")
    assert b.fills() == ["1 @ 100.1 taker"]


def test_purchase_and_stop_share_what_the_candle_has(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("entry", "buy", "1", position_id="pos-1")
    candle(b, "100 101 98 100", "15", 100)  # a tenth is 1.5: 0.5 are left
    b.order("stop", "sell", "1", StopLoss(Decimal("99.0")), position_id="pos-1")
    assert b.fills() == ["1 @ 100.1 taker"] and b.exchange.orders["stop"].triggered
    candle(b, "97 97 97 97", "15", 200)  # 96.903
    assert b.fills()[1:] == ["1 @ 96.9 taker"]


def test_a_purchase_is_guarded_after_a_restart_too(candles: Callable[..., Any]) -> None:
    before = candles()
    before.order("entry", "buy", "1", position_id="pos-1")
    candle(before, "100 101 98 100", "100", 100)
    b = candles()
    candle(b, "100 101 98 100", "100", 100)
    b.parts.restore(all_said(before.parts))
    b.order("stop", "sell", "1", StopLoss(Decimal("99.0")), position_id="pos-1")
    assert b.fills() == ["1 @ 98.9 taker"]


def test_a_cancel_that_waits_for_a_candle_holds_up_nothing_after_a_restart(candles: Callable[..., Any]) -> None:
    before, b = candles(), candles()
    before.stop("stop", "sell", "1", "99.0")
    pass_to(before, 130)
    before.cancel("stop")
    b.parts.restore(all_said(before.parts))
    b.order("m", "buy", "1")
    assert times(b, OrderAccepted) == [(130, 130)]
    pass_to(b, 201)
    assert times(b, OrderCancelled) == [(201, 201)]


# -- moments at which several things are told ------------------------------------------------------------------------


def test_a_stop_sent_at_a_close_comes_after_the_candle_that_ends_there(candles: Callable[..., Any]) -> None:
    b = candles()
    pass_to(b, 200)  # another market's candle of the same time is told first
    b.stop("stop", "sell", "1", "99.0")
    candle(b, "100 100 98 100", "100", 100)
    assert b.fills() == []


def test_a_stop_taken_back_at_a_close_meets_the_candle_that_ends_there(candles: Callable[..., Any]) -> None:
    b = candles()
    b.stop("stop", "sell", "1", "99.0")
    pass_to(b, 200)
    b.cancel("stop")
    candle(b, "100 100 98 100", "100", 100)
    assert b.fills() == ["1 @ 98.9 taker"]


def test_so_does_an_order_whose_date_is_that_close(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("bid", "buy", "1", "99.0", time_in_force=TimeInForce.GTD, expires_at_ns=200)
    pass_to(b, 200)
    candle(b, "100 100 98 100", "100", 100)
    assert b.fills() == ["1 @ 99 maker"]


def test_a_date_inside_a_candle_ends_an_order_there(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("bid", "buy", "1", "99.0", time_in_force=TimeInForce.GTD, expires_at_ns=150)
    candle(b, "100 100 98 100", "100", 100)
    assert b.ends("bid").startswith("expired")


def test_candles_of_an_hour_and_a_hole_are_waited_for_by_the_clock(candles: Callable[..., Any]) -> None:
    b = candles()
    b.stop("stop", "sell", "1", "99.0")
    pass_to(b, 730)  # nothing was told since 100
    b.cancel("stop")
    pass_to(b, 800)
    assert b.ends("stop") == "open"
    pass_to(b, 801)
    assert times(b, OrderCancelled) == [(801, 801)]


def test_an_order_filled_says_that_nothing_delayed_it(candles: Callable[..., Any]) -> None:
    b = candles()
    b.order("m", "buy", "1")
    candle(b, "101 101 101 101", "100", LENGTH)
    (fill,) = [event for event in b.drain() if isinstance(event, OrderFilled)]
    assert fill.explanation["latency_ns"] == 0
    assert (fill.time_ns, fill.visible_at_ns) == (200, 200)
