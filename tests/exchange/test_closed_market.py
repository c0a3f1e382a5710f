"""The exchange closes a market: it takes nothing then, no cancels either. What we only cannot see is another state."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from triplegain.domain.exchange_events import OrderCancelled
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.orders import TimeInForce
from triplegain.domain.terms import StopLossLimit

_BLIND = [
    FeedState.GAP, FeedState.CHECKSUM_MISMATCH, FeedState.CROSSED, FeedState.STALE, FeedState.CATCH_UP,
    FeedState.MISSED, FeedState.CANCEL_ONLY, FeedState.POST_ONLY,
]  # fmt: skip


def told(b: Any, state: FeedState, at: int) -> None:
    b.now = at
    b.exchange.on_event(FeedStatus(b.instrument.symbol, at, at, state, "Kraken is in maintenance mode"))


def test_in_maintenance_neither_a_cancel_nor_an_amendment_is_taken(usual: Any) -> None:
    usual.order("bid", "buy", "1", "99.0")
    told(usual, FeedState.MAINTENANCE, 10)
    usual.cancel("bid")
    usual.amend("bid", price="98.0")
    assert (usual.ends("bid"), usual.refused("bid")) == ("open", ["EService:Unavailable"] * 2)


@pytest.mark.parametrize("state", _BLIND)
def test_in_every_other_state_a_cancel_is_taken(usual: Any, state: FeedState) -> None:
    usual.order("bid", "buy", "1", "99.0")
    told(usual, state, 10)
    usual.cancel("bid")
    assert usual.ends("bid").startswith("cancelled")


def test_a_date_that_passes_in_maintenance_counts_when_the_market_opens_and_before_anything_is_matched(
    usual: Any,
) -> None:
    usual.order("bid", "buy", "1", "99.0", time_in_force=TimeInForce.GTD, expires_at_ns=20)
    told(usual, FeedState.MAINTENANCE, 10)
    usual.book(bids="98.0x1", at=25)
    assert usual.ends("bid") == "open"
    told(usual, FeedState.GAP, 30)
    assert usual.ends("bid").startswith("expired")


def test_a_date_still_ahead_at_the_opening_is_kept(usual: Any) -> None:
    usual.order("bid", "buy", "1", "99.0", time_in_force=TimeInForce.GTD, expires_at_ns=40)
    told(usual, FeedState.MAINTENANCE, 10)
    told(usual, FeedState.SYNCED, 30)
    assert usual.ends("bid") == "open"
    usual.book(bids="98.0x1", at=41)
    assert usual.ends("bid").startswith("expired")


def test_a_market_that_was_closed_counts_as_closed_when_a_run_begins_until_the_feed_says_otherwise(usual: Any) -> None:
    usual.order("bid", "buy", "1", "99.0", time_in_force=TimeInForce.GTD, expires_at_ns=15)
    told(usual, FeedState.MAINTENANCE, 10)
    usual.market.public.begin_away(20, "waiting for the order book")
    usual.cancel("bid")
    assert usual.ends("bid") == "open"
    usual.book(bids="98.0x1", asks="100.1x1", snapshot=True, at=30)
    assert (usual.ends("bid"), usual.market.condition) == ("expired: the order's good-till date passed", "")


def test_a_maintenance_the_feed_has_told_of_is_not_ended_by_a_book(usual: Any) -> None:
    told(usual, FeedState.MAINTENANCE, 10)
    usual.market.public.begin_away(20, "waiting for the order book")
    told(usual, FeedState.MAINTENANCE, 21)
    usual.book(bids="98.0x1", asks="100.1x1", snapshot=True, at=30)
    assert usual.market.is_closed


def test_a_market_that_was_open_counts_as_unseen_when_a_run_begins(usual: Any) -> None:
    usual.market.public.begin_away(20, "waiting for the order book")
    assert (usual.market.is_closed, usual.market.state) == (False, FeedState.GAP)


def test_a_stop_that_was_reached_before_its_date_leaves_no_limit_behind_it(usual: Any) -> None:
    """Reached at 97.0 while the book is unseen; with the next one 0.4 are sold at 98.0, and its date is over."""
    terms = StopLossLimit(Decimal("99.0"), Decimal("98.0"))
    usual.order("stop", "sell", "1", terms, time_in_force=TimeInForce.GTD, expires_at_ns=20)
    told(usual, FeedState.GAP, 10)
    usual.trade("sell", "1", "97.0", at=11)
    usual.book(bids="98.0x0.4", asks="98.5x1", snapshot=True, at=30)
    assert usual.fills() == ["0.4 @ 98 taker"]
    assert (usual.ends("stop"), usual.held("BTC")) == ("expired: the order's good-till date passed", "0")


def test_dates_that_passed_in_maintenance_end_in_their_order(usual: Any) -> None:
    for name, date in (("later", 30), ("sooner", 20)):
        usual.order(name, "buy", "1", "99.0", time_in_force=TimeInForce.GTD, expires_at_ns=date)
    usual.exchange.on_event(FeedStatus("BTC/USDT", 10, 0, FeedState.MAINTENANCE))
    usual.exchange.on_event(FeedStatus("BTC/USDT", 40, 0, FeedState.SYNCED))
    ended = [event.client_order_id for event in usual.drain() if isinstance(event, OrderCancelled)]
    assert ended == ["sooner", "later"]
