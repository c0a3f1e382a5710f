"""Which points of a queue are kept. Bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10; quantities of the base asset."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from tests.exchange.slow_queue_paths import QueueDiary
from tests.exchange.written_engine import working

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.money import text
from triplegain.domain.queue_path import QueueChange
from triplegain.exchange.book import BID
from triplegain.exchange.order import stored_order, working_order
from triplegain.exchange.queue import UNKNOWN_AHEAD, is_unknown
from triplegain.exchange.queue_path import POINTS_MAX, QueuePaths


def path(b: Any) -> list[str]:
    """`"1 arrival 5 0"`: the number of the point, why, what is ahead and what was traded of it."""
    return [
        f"{each.point} {each.why.value} {'?' if each.ahead is None else text(each.ahead)} {text(each.traded)}"
        for each in b.exchange.paths.drain()
    ]


def test_a_queue_from_its_arrival_to_the_fill(usual: Any) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.trade("sell", "2", "100.0")
    usual.book(bids="100.0x3")  # the trade of before
    usual.book(bids="100.0x2")  # one leaves
    usual.book(bids="100.0x9")  # behind it
    usual.trade("sell", "2.5", "100.0")
    usual.trade("sell", "0.5", "100.0")
    assert usual.fills() == ["0.5 @ 100 maker", "0.5 @ 100 maker"]
    assert path(usual) == ["1 arrival 5 0", "2 traded 3 2", "3 cancelled 2 2", "4 traded 0 4", "5 filled 0 4"]


def test_a_shrink_that_turns_out_to_be_a_trade_counts_as_traded(usual: Any) -> None:
    """The book is first: 2 seem to leave, and are traded when the tape says so; nothing is counted twice."""
    usual.order("o", "buy", "1", "100.0")
    usual.book(bids="100.0x3", at=10)
    usual.trade("sell", "2", "100.0", at=10)
    usual.trade("sell", "1", "100.0", at=11)
    assert path(usual) == ["1 arrival 5 0", "2 cancelled 3 0", "3 traded 3 2", "4 traded 2 3"]


def test_a_trade_through_whose_level_has_shrunk_already_took_the_queue_of_before(usual: Any) -> None:
    """5 stood in front; the book shows 1 of these before the tape tells of the moment in which the other 4 went."""
    usual.order("o", "buy", "1", "100.0")
    usual.book(bids="100.0x1", at=10)
    usual.trade("sell", "4.5", "99.9", at=10)
    [fill] = [each for each in usual.drain() if isinstance(each, OrderFilled)]
    assert fill.explanation["cause"]["queue_ahead"] == "5"
    assert path(usual) == ["1 arrival 5 0", "2 cancelled 1 0", "3 passed 0 0", "4 filled 0 0"]


def test_a_queue_out_of_sight_stays_unknown_whatever_is_traded_of_it(usual: Any) -> None:
    """2 and then 1 are traded at the price, and then one through it: nobody has seen how many more were passed."""
    usual.order("o", "buy", "1", "99.0")
    usual.trade("sell", "2", "99.0")
    usual.trade("sell", "1", "99.0")
    usual.trade("sell", "0.5", "98.9")
    assert path(usual) == ["1 arrival ? 0", "2 passed 0 3"]
    assert usual.fills() == ["0.5 @ 99 maker"]


def test_a_queue_that_nobody_knows_is_told_once_whatever_is_traded_of_it(usual: Any) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.exchange.on_event(FeedStatus("BTC/USDT", 50, 50, FeedState.CATCH_UP, "away"))
    usual.book(bids="101.0x1", asks="102.0x1", snapshot=True, at=60)  # 100.0 is out of sight
    for at in (61, 62, 63):
        usual.trade("sell", "1", "100.0", at=at)
    usual.book(bids="101.0x1 100.0x4", asks="102.0x1", snapshot=True, at=64)
    assert path(usual) == ["1 arrival 5 0", "2 unseen ? 0", "3 shown_anew 4 3"]


def test_one_that_takes_after_it_has_stood_leaves_its_queue(usual: Any) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.amend("o", price="100.2")
    assert usual.fills() == ["1 @ 100.1 taker"]
    assert path(usual) == ["1 arrival 5 0", "2 filled 0 0"]


def test_a_place_in_which_nothing_happened_is_one_point(usual: Any) -> None:
    usual.order("o", "buy", "1", "100.0")
    usual.cancel("o")
    assert path(usual) == ["1 arrival 5 0"]


def test_every_reason_has_its_word(usual: Any) -> None:
    usual.order("o", "buy", "3", "100.0")
    usual.book(bids="100.0x1", snapshot=True)
    usual.amend("o", price="99.0")  # out of sight
    usual.book(bids="99.0x4")
    usual.amend("o", quantity="2")
    usual.exchange.on_event(FeedStatus("BTC/USDT", 50, 50, FeedState.CATCH_UP, "away"))
    usual.cancel("o")
    assert path(usual) == [
        "1 arrival 5 0", "2 shown_anew 1 0", "3 amended ? 0", "4 shown_anew 4 0", "5 unseen ? 0", "6 ended ? 0",
    ]  # fmt: skip


def test_one_that_never_queued_has_no_path(usual: Any) -> None:
    usual.order("taker", "buy", "1")
    usual.stop("stop", "sell", "1", "90")
    usual.cancel("stop")
    assert path(usual) == []


def test_an_order_stored_before_there_were_paths_has_none() -> None:
    paths, order = QueuePaths(), working("o", BID, 1000, 1)
    paths.keep()
    order.ahead = 5
    paths.note(order, 1, QueueChange.CANCELLED)
    paths.end(order, 2, QueueChange.ENDED)
    assert paths.drain() == ()
    paths.begin(order, 3)
    assert [each.why for each in paths.drain()] == [QueueChange.ARRIVAL]


def test_who_never_asks_for_points_needs_no_memory_for_them() -> None:
    """What is kept of the order is the same."""
    asked, never = QueuePaths(), QueuePaths()
    asked.keep()
    orders = [working("o", BID, 1000, 1) for _ in range(2)]
    for paths, order in zip((asked, never), orders, strict=True):
        order.ahead = 500
        paths.begin(order, 1)
        order.ahead = 400
        paths.note(order, 2, QueueChange.CANCELLED)
    assert (len(asked.drain()), asked.drain(), never.drain()) == (2, (), ())
    assert stored_order(orders[0]) == stored_order(orders[1])


def test_the_last_place_is_there_however_many_came_before() -> None:
    """A thousand places, each with a queue that went down by half: of the last, its beginning and its end."""
    paths, order = QueuePaths(), working("o", BID, 1000, 1)
    paths.keep()
    for number in range(1, 1001):
        order.ahead = 1000 + number
        paths.begin(order, number)
        order.ahead //= 2
        if abs(order.ahead - order.queue_noted) >= order.queue_step:
            paths.note(order, number, QueueChange.TRADED)
    paths.end(order, 1001, QueueChange.ENDED)
    points = paths.drain()
    assert 140 <= len(points) <= POINTS_MAX
    told = [(each.time_ns, each.why, each.ahead) for each in points[-2:]]
    quantity = order.instrument.quantity
    assert told == [(1000, QueueChange.AMENDED, quantity(2000)), (1001, QueueChange.ENDED, quantity(1000))]


def test_places_without_anything_between_them_leave_room_for_what_comes() -> None:
    """A thousand amendments and then a queue that goes down: a hundred of those are kept, and how it went."""
    paths, order = QueuePaths(), working("o", BID, 1000, 1)
    paths.keep()
    for number in range(1, 1001):
        order.ahead = 1000
        paths.begin(order, number)
    for left in range(1000, -1, -1):
        order.ahead = left
        if abs(order.ahead - order.queue_noted) >= order.queue_step:
            paths.note(order, 2000 - left, QueueChange.CANCELLED)
    paths.end(order, 3000, QueueChange.ENDED)
    points = paths.drain()[100:]
    # The hundredfold share has doubled three times: a point every 80.
    assert [text(each.ahead * 10**8) for each in points if each.ahead is not None] == [
        *(str(left) for left in range(1000, 0, -80)), "0",
    ]  # fmt: skip


@pytest.mark.parametrize("changes", [1_000, 30_000])
def test_however_long_it_waits_its_path_goes_on(changes: int) -> None:
    """A queue that doubles and halves for ever: of 30,000 changes none follows the one before it after more than a
    fifth of all until then, and what is stored half way goes on as if it had not been."""
    paths, order = QueuePaths(), working("o", BID, 1000, 1)
    paths.keep()
    order.ahead = 1000
    paths.begin(order, 0)
    for number in range(1, changes):
        order.ahead = 3000 - order.ahead
        assert abs(order.ahead - order.queue_noted) >= order.queue_step
        paths.note(order, number, QueueChange.SHOWN_ANEW)
        if number == changes // 2:
            order = working_order(stored_order(order), order.instrument)
    paths.end(order, changes, QueueChange.ENDED)
    times = [each.time_ns for each in paths.drain()]
    assert times[:120] == list(range(120)) and times[-1] == changes
    assert all(later - earlier <= max(1, later / 5) for earlier, later in pairwise(times))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_kept_of_long_paths_is_what_the_rules_say(seed: int) -> None:
    """Up to 6,000 places and changes, large and small, in and out of sight: the points of `slow_queue_paths`."""
    draws, paths, order, diary = random.Random(seed), QueuePaths(), working("o", BID, 1000, 1), QueueDiary()
    paths.keep()
    for now_ns in range(1000 * (seed + 1)):
        kind, known = draws.random(), not is_unknown(order.ahead)
        if now_ns == 0 or kind < 0.02 * seed:
            order.ahead, why = draws.choice((5, 300, 10**6, UNKNOWN_AHEAD)), QueueChange.REFILL
            if now_ns == 0:
                why = QueueChange.ARRIVAL
                paths.begin(order, now_ns)
            else:
                paths.refill(order, now_ns)
            diary.write(now_ns, None if is_unknown(order.ahead) else order.ahead, 0, why)
            continue
        if kind < 0.3:
            order.ahead, traded, why = UNKNOWN_AHEAD if known else draws.randrange(1000), 0, QueueChange.SHOWN_ANEW
        else:
            traded, why = draws.randrange(order.ahead + 1 if known else 50), QueueChange.TRADED
            order.ahead -= traded
            order.queue_traded += traded
        by_trades = order.queue_traded - order.queue_traded_noted if why is QueueChange.TRADED else 0
        if max(abs(order.ahead - order.queue_noted), by_trades) >= order.queue_step:
            paths.note(order, now_ns, why)
        diary.write(now_ns, None if is_unknown(order.ahead) else order.ahead, traded, why)
    paths.end(order, 10_000, QueueChange.ENDED)
    diary.write(10_000, None if is_unknown(order.ahead) else order.ahead, 0, "ended")
    quantity = order.instrument.quantity
    assert [(each.time_ns, each.ahead, each.traded, each.why) for each in paths.drain()] == [
        (each.time_ns, None if each.ahead is None else quantity(each.ahead), quantity(each.traded), each.why)
        for each in diary.told()
    ]


@pytest.mark.parametrize("first", [UNKNOWN_AHEAD, 1000])
def test_the_share_doubles_once_at_a_time(first: int) -> None:
    """After 60 points, 80 and so on, also where the queue is seen again then: a hundredth of 1000 is 10."""
    paths, order = QueuePaths(), working("o", BID, 1000, 1)
    order.ahead = first
    paths.begin(order, 0)
    steps = {}
    for number in range(2, 101):
        order.ahead = UNKNOWN_AHEAD if first == UNKNOWN_AHEAD and number % 2 else 1000
        paths.note(order, number, QueueChange.SHOWN_ANEW)
        if order.ahead == 1000:
            steps[order.queue_points] = order.queue_step
    assert [steps[count] for count in (58, 60, 78, 80, 98, 100)] == [10, 20, 20, 40, 40, 80]


@pytest.mark.parametrize("ahead", [1, 150, 10**8, 10**18, UNKNOWN_AHEAD])
@pytest.mark.parametrize("falling", [True, False])
def test_the_bound_holds_however_a_queue_goes(ahead: int, falling: bool) -> None:
    """Ten thousand changes: down in even steps, or to and fro."""
    draws, paths, order = random.Random(1), QueuePaths(), working("o", BID, 1000, 1)
    paths.keep()
    order.ahead = start = ahead
    paths.begin(order, 0)
    for number in range(10_000):
        order.ahead = start - start * number // 10_000 if falling else draws.randrange(10**9)
        if abs(order.ahead - order.queue_noted) >= order.queue_step:
            paths.note(order, number, QueueChange.CANCELLED)
        if not falling and number % 50 == 0:
            paths.refill(order, number)
    paths.end(order, 10_000, QueueChange.ENDED)
    points = paths.drain()
    assert [each.point for each in points] == list(range(1, len(points) + 1))
    assert points[-1].why is QueueChange.ENDED or (falling and ahead == 1 and len(points) == 1)
    assert len(points) <= POINTS_MAX
    if falling and 150 <= ahead < UNKNOWN_AHEAD:
        # A queue that goes down evenly is seen to its end: no hole is wider than a twentieth.
        assert 60 <= len(points) <= 120
        rows = [each.ahead for each in points if each.ahead is not None]
        assert max(a - b for a, b in pairwise(rows)) < rows[0] / 20
