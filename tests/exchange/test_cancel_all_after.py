"""The dead man's switch.

Kraken on cancel_all_orders_after: "a timeout (in seconds), that will start a countdown timer in the trading engine
which will cancel all client orders when the timer expires. [...] If the timer expires, all orders in the account are
cancelled and the feature is disabled until the next cancel_all_orders_after request. [...] all orders will be cancelled
when the trading engine comes back from downtime". The cases are worked here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.orders import OrderOptions
from triplegain.exchange.cancel_after import REASON, CancelAllAfter, check_timeout
from triplegain.exchange.settings import AccountTier, ExchangeSettings

GONE = f"cancelled: {REASON}"
S = SECOND_NS


@pytest.fixture
def b(bench: Callable[..., Any]) -> Any:
    rig = bench(settings=ExchangeSettings(place_delay_ns=0, cancel_delay_ns=0, account_tier=AccountTier.STARTER))
    rig.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=1000 * S)
    rig.order("bid", "buy", "1", "99.0")
    rig.stop("stop", "sell", "1", "95.0")
    return rig


def after(b: Any, seconds: int) -> Any:
    found = b.exchange.cancel_all_after(seconds)
    b.exchange.run_through(b.exchange.now_ns)
    return found


def at(b: Any, second: int) -> None:
    b.book(bids="100.0x5", at=(1000 + second) * S)


def test_when_the_time_is_over_everything_goes_once(b: Any) -> None:
    assert after(b, 60) == 1060 * S
    rate = b.market.rate.value
    at(b, 59)
    assert (b.ends("bid"), b.ends("stop")) == ("open", "open")
    at(b, 60)
    assert (b.ends("bid"), b.ends("stop"), b.held("USDT"), b.held("BTC")) == (GONE, GONE, "0", "0")
    assert b.market.rate.at(1000 * S) <= rate  # the exchange's own cancels are charged to nobody
    b.order("next", "buy", "1", "99.0")
    at(b, 600)
    assert b.ends("next") == "open"


def test_set_again_it_begins_anew(b: Any) -> None:
    after(b, 60)
    at(b, 30)
    assert after(b, 60) == 1090 * S
    at(b, 60)
    assert b.ends("bid") == "open"
    at(b, 90)
    assert b.ends("bid") == GONE


def test_nothing_switches_it_off(b: Any) -> None:
    after(b, 60)
    assert after(b, 0) is None
    at(b, 600)
    assert b.ends("bid") == "open"


def test_set_shorter_it_comes_earlier(b: Any) -> None:
    after(b, 60)
    after(b, 10)
    at(b, 10)
    assert b.ends("bid") == GONE


def test_orders_that_wait_for_their_time_go_too(b: Any) -> None:
    b.order("later", "buy", "1", "99.0", options=OrderOptions(starts_at_ns=1070 * S))
    after(b, 60)
    at(b, 60)
    assert b.ends("later") == GONE
    at(b, 80)
    assert b.exchange.orders == {}


def test_in_a_downtime_it_counts_at_the_opening(b: Any) -> None:
    after(b, 60)
    b.exchange.on_event(FeedStatus("BTC/USDT", 1050 * S, 1050 * S, FeedState.MAINTENANCE))
    at(b, 70)
    assert b.ends("bid") == "open"
    b.exchange.on_event(FeedStatus("BTC/USDT", 1100 * S, 1100 * S, FeedState.SYNCED))
    assert (b.ends("bid"), b.ends("stop")) == (GONE, GONE)
    b.order("next", "buy", "1", "99.0")
    b.exchange.on_event(FeedStatus("BTC/USDT", 1110 * S, 1110 * S, FeedState.MAINTENANCE))
    b.exchange.on_event(FeedStatus("BTC/USDT", 1120 * S, 1120 * S, FeedState.SYNCED))
    assert b.ends("next") == "open"


def test_it_counts_from_its_arrival_and_what_is_on_its_way_is_not_there_yet(bench: Callable[..., Any]) -> None:
    b = bench(
        settings=ExchangeSettings(place_delay_ns=5 * S, cancel_delay_ns=2 * S, account_tier=AccountTier.UNLIMITED)
    )
    b.book(bids="100.0x5", asks="100.1x1", snapshot=True, at=1000 * S)
    assert b.exchange.cancel_all_after(1) == 1003 * S
    b.order("bid", "buy", "1", "99.0")  # arrives at 1005
    at(b, 10)
    assert b.ends("bid") == "open"


@pytest.mark.parametrize(("seconds", "fits"), [(0, True), (1, True), (86_399, True), (86_400, False), (-1, False)])
def test_it_is_shorter_than_a_day(seconds: int, fits: bool) -> None:
    refusal = check_timeout(seconds)
    assert (refusal is None) is fits
    assert refusal is None or refusal.code == "EGeneral:Invalid arguments:timeout"


def test_the_switch_goes_off_once_and_not_before_its_time() -> None:
    switch = CancelAllAfter()
    assert not switch.goes_off(10**18)  # it was never set
    assert switch.set(60, 5) == 5 + 60 * SECOND_NS
    assert [switch.goes_off(5 + 60 * SECOND_NS - 1), switch.goes_off(5 + 60 * SECOND_NS)] == [False, True]
    assert not switch.goes_off(10**18)
    switch.set(60, 5)
    assert (switch.set(0, 6), switch.goes_off(10**18)) == (None, False)


def test_a_market_that_was_closed_is_cancelled_once_when_it_opens() -> None:
    switch = CancelAllAfter()
    for symbol in ("A/USD", "B/USD", "A/USD"):
        switch.wait_for(symbol)
    switch.set(60, 5)
    assert [switch.opened(symbol) for symbol in ("C/USD", "A/USD", "A/USD", "B/USD", "B/USD")] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert switch.goes_off(5 + 60 * SECOND_NS)


@pytest.mark.parametrize(("seconds", "taken"), [(-1, False), (0, True), (1, True), (86_399, True), (86_400, False)])
def test_the_time_is_shorter_than_a_day(seconds: int, taken: bool) -> None:
    assert (check_timeout(seconds) is None) is taken
