"""Commands take time to arrive, answers take time to come back, and the market does not wait. Times in nanoseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.session.stored_parts import all_said

from triplegain.domain.exchange_events import OrderAccepted, OrderCancelled, OrderFilled, OrderSubmitted
from triplegain.exchange.settings import AccountTier, ExchangeSettings

SLOW = ExchangeSettings(
    place_delay_ns=100, cancel_delay_ns=50, response_delay_ns=30, account_tier=AccountTier.UNLIMITED
)


def rig(bench: Callable[..., Any], **more: Any) -> Any:
    b = bench(**({"settings": SLOW} | more))
    b.book(bids="100.0x5", asks="100.1x1 100.2x10", snapshot=True, at=10)
    return b


def test_the_market_moves_while_an_order_is_under_way(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    b.order("buy", "buy", "1")  # sent at 10, arrives at 110
    b.book(asks="100.1x0", at=60)
    assert b.drain()[0].arrives_at_ns == 110
    b.book(asks="100.2x0 100.3x5", at=111)  # too late to change anything
    fill = next(event for event in b.drain() if isinstance(event, OrderFilled))
    assert b.fills() == ["1 @ 100.2 taker"]
    assert (fill.time_ns, fill.visible_at_ns) == (110, 140)


def test_an_order_meets_the_market_event_of_its_own_moment_first(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    b.order("buy", "buy", "1")
    b.book(asks="100.1x0 100.2x0 100.3x5", at=110)
    assert b.fills() == ["1 @ 100.3 taker"]


def test_a_cancel_can_lose_the_race_against_a_fill(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    b.order("bid", "buy", "1", "100.0")
    b.book(bids="99.0x1", at=200)
    b.cancel("bid")  # arrives at 250
    b.trade("sell", "6", "100.0", at=250)
    b.book(bids="99.0x2", at=300)
    assert (b.fills(), b.refused("bid")) == (["1 @ 100 maker"], ["EOrder:Unknown order"])


def test_a_cancel_that_arrives_first_wins(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    b.order("bid", "buy", "1", "100.0")
    b.book(bids="99.0x1", at=200)
    b.cancel("bid")
    b.trade("sell", "6", "100.0", at=251)
    assert b.fills() == []
    end = next(event for event in b.drain() if isinstance(event, OrderCancelled))
    assert (end.time_ns, end.visible_at_ns) == (250, 280)


def test_a_cancel_goes_the_way_of_its_order_and_never_overtakes_it(bench: Callable[..., Any]) -> None:
    b = rig(bench)
    b.order("bid", "buy", "1", "100.0")  # arrives at 110
    b.cancel("bid")  # would arrive at 60
    b.book(bids="99.0x1", at=200)
    assert b.refused("bid") == []
    end = next(event for event in b.drain() if isinstance(event, OrderCancelled))
    assert (end.time_ns, end.visible_at_ns) == (110, 140)


def test_nor_does_it_after_a_restart(bench: Callable[..., Any]) -> None:
    before, b = rig(bench), bench(settings=SLOW)
    before.order("bid", "buy", "1", "100.0")  # arrives at 110
    b.book(bids="100.0x5", asks="100.1x1 100.2x10", snapshot=True, at=10)
    b.parts.restore(all_said(before.parts))
    b.cancel("bid")  # would arrive at 60
    b.book(bids="99.0x1", at=200)
    assert b.refused("bid") == []
    assert [event.time_ns for event in b.drain() if isinstance(event, OrderCancelled)] == [110]


def arrivals(bench: Callable[..., Any], seed: int) -> list[int]:
    jittery = ExchangeSettings(
        seed=seed, place_delay_ns=100, response_delay_ns=30, jitter_ns=40, account_tier=AccountTier.UNLIMITED
    )
    b = rig(bench, settings=jittery)
    for number in range(20):
        b.order(f"o{number}", "buy", "1", "100.0")
        b.book(bids="99.0x1", at=500 * (number + 1))
    answers = [event.visible_at_ns for event in b.drain() if isinstance(event, OrderAccepted)]
    assert answers == sorted(answers)  # a later answer never overtakes an earlier one
    return [event.arrives_at_ns - event.time_ns for event in b.drain() if isinstance(event, OrderSubmitted)]


def test_jitter_is_drawn_from_the_seed_and_bounded(bench: Callable[..., Any]) -> None:
    first = arrivals(bench, 1)
    assert arrivals(bench, 1) == first
    assert arrivals(bench, 2) != first
    assert all(100 <= delay <= 140 for delay in first)
    assert len(set(first)) > 5
