"""Trades of the time away: resting orders at the back of their queue, stops as on a tape, nothing new taken."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.session.stored_parts import all_said

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.market import BookUpdate, FeedState, FeedStatus
from triplegain.domain.orders import TimeInForce
from triplegain.domain.terms import StopLossLimit
from triplegain.exchange.queue import UNKNOWN_AHEAD


def away(b: Any, state: FeedState = FeedState.CATCH_UP, reason: str = "catching up") -> None:
    b.now += 1
    b.exchange.on_event(FeedStatus(b.instrument.symbol, b.now, b.now, state, reason))


def explained(b: Any) -> Any:
    """The explanation of the last fill."""
    return [event for event in b.drain() if isinstance(event, OrderFilled)][-1].explanation


@pytest.fixture
def waiting(usual: Any) -> Any:
    """A bid of 1 at 100.0 behind 5, and a stop of 1 at 99.0; bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10."""
    usual.order("bid", "buy", "1", "100.0")
    usual.stop("stop", "sell", "1", "99.0")
    away(usual)
    return usual


def test_a_missed_trade_at_the_price_fills_nothing_however_large(waiting: Any) -> None:
    waiting.trade("sell", "50", "100.0")
    assert waiting.fills() == []


def test_a_missed_trade_through_the_price_fills_at_the_price_and_no_more_than_was_traded(waiting: Any) -> None:
    waiting.trade("sell", "0.4", "99.9")
    waiting.trade("sell", "5", "99.8")
    assert waiting.fills() == ["0.4 @ 100 maker", "0.6 @ 100 maker"]
    assert explained(waiting)["cause"]["event"] == "missed_trade"
    assert explained(waiting)["cause"]["queue_ahead"] == "unknown"


def test_a_missed_trade_that_reaches_a_stop_fills_it_at_the_worse_of_both_plus_slippage(waiting: Any) -> None:
    """98.5 is worse than 99.0; less 0.1 % is 98.4015, rounded down to the tick: 98.4."""
    waiting.cancel("bid")
    waiting.trade("sell", "0.1", "98.5")
    assert waiting.fills() == ["1 @ 98.4 taker"]
    assert explained(waiting)["model"] == "tape_stop"


def test_that_a_place_in_the_queue_is_lost_is_stored(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")
    assert json.loads(all_said(usual.parts)["exchange.order", "1"])["ahead"] == "500000000"  # 5 in lots of 1e-8
    away(usual)
    assert json.loads(all_said(usual.parts)["exchange.order", "1"])["ahead"] == str(UNKNOWN_AHEAD)


def test_nothing_new_is_taken_meanwhile(waiting: Any) -> None:
    waiting.order("new", "buy", "1")
    assert waiting.ends("new").startswith("rejected: EService:Unavailable")


def test_the_new_book_puts_the_order_at_the_back_of_what_it_shows(waiting: Any) -> None:
    """It shows 2 at 100.0: 2 go before us, then we fill."""
    waiting.trade("sell", "3", "100.0")
    away(waiting, FeedState.GAP, "waiting for the order book")
    waiting.book(bids="100.0x2 99.9x9", asks="100.1x9", snapshot=True)
    waiting.trade("sell", "2", "100.0")
    assert waiting.fills() == []
    waiting.trade("sell", "0.5", "100.0")
    assert waiting.fills() == ["0.5 @ 100 maker"]


def test_without_the_trades_nothing_is_filled_until_the_book_is_back(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0")
    away(usual, FeedState.MISSED, "the trades of 2 h could not be had")
    usual.trade("sell", "9", "99.0")
    assert usual.fills() == []
    usual.book(bids="100.0x2", asks="100.1x9", snapshot=True)
    usual.trade("sell", "2.5", "100.0")
    assert usual.fills() == ["0.5 @ 100 maker"]


def test_an_order_that_expired_while_away_is_not_filled_by_later_trades(usual: Any) -> None:
    usual.order("bid", "buy", "1", "100.0", time_in_force=TimeInForce.GTD, expires_at_ns=usual.now + 5)
    away(usual)
    usual.now += 10
    usual.trade("sell", "9", "99.0")
    assert usual.fills() == []
    assert usual.ends("bid").startswith("expired")


def test_a_book_of_the_time_before_is_not_an_opposite_quote(waiting: Any) -> None:
    """Only a snapshot ends the catching up; its asks at or through our bid fill it at its price."""
    away(waiting, FeedState.GAP, "waiting for the order book")
    symbol, tick = waiting.instrument.symbol, waiting.instrument
    update = BookUpdate(symbol, waiting.now + 1, waiting.now + 1, (), ((995, tick.lots(tick.quantity_min)),))
    waiting.exchange.on_event(update)
    assert waiting.fills() == []


def test_a_stop_with_a_limit_that_a_missed_trade_reaches_and_does_not_meet_waits_at_its_limit(usual: Any) -> None:
    """98.5 less 0.1 % is 98.4: under its limit. It waits as a limit, behind nobody knows who until a book shows 2."""
    usual.order("stop", "sell", "1", StopLossLimit(Decimal("99.0"), Decimal("98.8")))
    away(usual)
    usual.trade("sell", "0.1", "98.5")
    assert (usual.fills(), usual.ends("stop")) == ([], "open")
    away(usual, FeedState.GAP, "waiting for the order book")
    usual.book(bids="98.0x2", asks="98.8x2", snapshot=True)
    usual.trade("buy", "2", "98.8")
    assert usual.fills() == []
    usual.trade("buy", "0.5", "98.8")
    assert usual.fills() == ["0.5 @ 98.8 maker"]


def test_a_stop_that_was_reached_before_fills_at_the_worse_of_it_and_the_trade_that_reached_it(usual: Any) -> None:
    """The tape was at 97.0 while the book was unseen: less 0.1 % that is 96.903, rounded down to 96.9."""
    usual.stop("stop", "sell", "1", "99.0")
    away(usual, FeedState.GAP, "a gap")
    usual.trade("sell", "1", "97.0")
    away(usual)
    usual.trade("sell", "0.1", "99.5")
    assert usual.fills() == ["1 @ 96.9 taker"]


def test_an_order_that_a_missed_trade_filled_in_part_stands_behind_the_new_book_too(waiting: Any) -> None:
    """0.4 of 1 while away; the book shows 2 at 100.0: they go first."""
    waiting.trade("sell", "0.4", "99.9")
    away(waiting, FeedState.GAP, "waiting for the order book")
    waiting.book(bids="100.0x2 99.9x9", asks="100.1x9", snapshot=True)
    waiting.trade("sell", "2.5", "100.0")
    assert waiting.fills() == ["0.4 @ 100 maker", "0.5 @ 100 maker"]


def test_what_a_missed_trade_took_is_not_in_a_book_from_before_it(usual: Any) -> None:
    """It bought at 100.3 at the moment 60, so 100.1 and 100.2 were gone; the book that comes is of the moment 50."""
    away(usual)
    usual.trade("buy", "1", "100.3", at=60)
    usual.book(bids="100.0x5", asks="100.1x5 100.2x5 100.4x5", snapshot=True, at=50)
    usual.order("buy", "buy", "1")
    assert usual.fills() == ["1 @ 100.4 taker"]
