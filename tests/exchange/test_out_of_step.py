"""The tape goes on while there is no book to go with it: what it goes through is kept, not dropped."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.exchange_events import OrderFilled, OrderTriggered
from triplegain.domain.market import FeedState, FeedStatus, MarketDepth
from triplegain.domain.orders import StopLoss, TimeInForce
from triplegain.exchange.settings import AccountTier, ExchangeSettings


def told(b: Any, state: FeedState, reason: str = "") -> None:
    b.now += 1
    b.exchange.on_event(FeedStatus(b.instrument.symbol, b.now, b.now, state, reason))


@pytest.fixture
def blind(usual: Any) -> Any:
    """A stop of 1 at 99.0 and a bid of 1 at 100.0 behind 5, when the book turns out to be wrong."""
    usual.stop("stop", "sell", "1", "99.0")
    usual.order("bid", "buy", "1", "100.0")
    told(usual, FeedState.CHECKSUM_MISMATCH, "checksum")
    return usual


def test_a_stop_the_tape_went_through_fires_at_the_book_that_comes_though_the_price_is_back(blind: Any) -> None:
    blind.cancel("bid")
    blind.trade("sell", "3", "97.0")
    blind.trade("sell", "3", "96.0")
    assert (blind.ends("stop"), blind.fills()) == ("open", [])
    blind.book(bids="100.0x0.4 99.9x5", asks="100.1x5", snapshot=True)
    assert blind.fills() == ["0.4 @ 100 taker", "0.6 @ 99.9 taker"]
    (trigger,) = [event for event in blind.drain() if isinstance(event, OrderTriggered)]
    assert (trigger.trigger, trigger.last) == (Decimal(99), Decimal(97))


def test_what_is_decided_without_a_book_is_compared_with_no_quote(bench: Any) -> None:
    """After a restart the old book is gone: an explanation must not depend on whether there was one."""
    slow = ExchangeSettings(place_delay_ns=5, response_delay_ns=0, account_tier=AccountTier.UNLIMITED)
    b = bench(settings=slow)
    b.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    told(b, FeedState.CHECKSUM_MISMATCH, "checksum")
    b.order("blind", "buy", "1")
    b.book(bids="99.0x5", asks="99.1x5", snapshot=True)
    b.book(bids="98.0x5", at=20)
    (fill,) = [event for event in b.drain() if isinstance(event, OrderFilled)]
    explanation = fill.explanation
    assert explanation["quote_at_decision"] == [None, None]
    assert explanation["quote_at_arrival"] == ["99", "99.1"]
    assert explanation["shortfall"] is None


def test_stops_fire_in_the_order_in_which_they_came(blind: Any) -> None:
    blind.cancel("bid")
    told(blind, FeedState.SYNCED)
    blind.stop("second", "sell", "1", "99.5")
    told(blind, FeedState.GAP)
    blind.trade("sell", "3", "99.5")
    blind.trade("sell", "3", "98.0")
    blind.book(bids="99.0x1 98.0x1", asks="100.1x5", snapshot=True)
    assert (blind.fills("stop"), blind.fills("second")) == (["1 @ 99 taker"], ["1 @ 98 taker"])


def test_a_trade_that_stays_above_the_trigger_fires_nothing(blind: Any) -> None:
    blind.trade("sell", "3", "99.1")
    blind.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    assert blind.ends("stop") == "open"


@pytest.mark.parametrize("state", [each for each in FeedState if each not in (FeedState.SYNCED, FeedState.CATCH_UP)])
def test_whatever_pauses_the_market_the_stop_is_remembered_until_it_is_matched_again(
    usual: Any, state: FeedState
) -> None:
    """Where no new book comes, what the tape has swept is gone from the one there is."""
    usual.book(bids="97.0x3 96.0x5")
    usual.stop("stop", "sell", "1", "99.0")
    told(usual, state)
    usual.trade("sell", "2.6", "97.0")
    assert usual.ends("stop") == "open"
    told(usual, FeedState.SYNCED)
    assert usual.fills() == ["0.4 @ 97 taker", "0.6 @ 96 taker"]


def test_it_cannot_be_taken_back_any_more(blind: Any) -> None:
    """At the exchange it has been sold already."""
    blind.trade("sell", "3", "97.0")
    blind.cancel("stop")
    assert (blind.ends("stop"), blind.refused("stop")) == ("open", ["EService:Unavailable"])


def test_before_the_tape_goes_through_it_a_stop_can_be_taken_back(blind: Any) -> None:
    blind.cancel("stop")
    assert blind.ends("stop").startswith("cancelled")


def test_a_date_that_passes_afterwards_does_not_save_it(usual: Any) -> None:
    date = {"time_in_force": TimeInForce.GTD, "expires_at_ns": 20}
    usual.order("stop", "sell", "1", StopLoss(usual.instrument.price(990)), **date)
    told(usual, FeedState.GAP)
    usual.trade("sell", "3", "97.0", at=19)
    usual.trade("sell", "3", "99.5", at=25)
    usual.book(bids="100.0x5", asks="100.1x5", snapshot=True, at=30)
    assert usual.ends("stop") == "filled"


def test_what_the_tape_went_through_is_known_after_a_restart(blind: Any, bench: Any) -> None:
    blind.cancel("bid")
    blind.trade("sell", "3", "97.0")
    blind.drain()
    again = bench()
    again.parts.restore(blind.parts.rows)
    again.now = blind.now
    again.book(bids="100.0x5", asks="100.1x5", snapshot=True)
    assert again.fills() == ["1 @ 100 taker"]


def test_with_the_connection_lost_as_well_it_fills_as_on_a_tape_with_the_trade_that_reached_it(blind: Any) -> None:
    """The worse of its trigger and that trade, 97.0, less 0.1 %: 96.903, rounded down to the tick."""
    blind.cancel("bid")
    blind.trade("sell", "3", "97.0")
    told(blind, FeedState.CATCH_UP)
    blind.trade("sell", "3", "99.5")
    assert blind.fills() == ["1 @ 96.9 taker"]


def test_a_trade_through_a_resting_limit_fills_it_at_its_price_and_no_more_than_was_traded(blind: Any) -> None:
    blind.trade("sell", "0.3", "99.9")
    assert blind.fills() == ["0.3 @ 100 maker"]
    (fill,) = [event for event in blind.drain() if isinstance(event, OrderFilled)]
    assert fill.explanation["cause"]["event"] == "missed_trade"


def test_a_trade_at_its_price_fills_nothing_and_its_place_stays(blind: Any) -> None:
    """5 stand in front, the new book shows 4: of 4.1 at the price 0.1 is left for us."""
    blind.trade("sell", "50", "100.0")
    assert blind.fills() == []
    blind.book(bids="100.0x4", asks="100.1x1", snapshot=True)
    blind.trade("sell", "4.1", "100.0")
    assert blind.fills() == ["0.1 @ 100 maker"]


def test_without_a_book_a_stop_is_kept_all_the_same(bench: Any) -> None:
    """On a tape: the worse of trigger 99 and trade 97, less 0.1 %: 96.903, rounded down to the tick."""
    b = bench(depth=MarketDepth.TAPE)
    b.trade("buy", "1", "100.0")
    b.stop("stop", "sell", "1", "99.0")
    told(b, FeedState.GAP)
    b.trade("sell", "3", "97.0")
    assert b.fills() == []
    told(b, FeedState.SYNCED)
    assert b.fills() == ["1 @ 96.9 taker"]
