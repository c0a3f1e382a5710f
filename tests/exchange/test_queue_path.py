"""Which points of a queue are kept. Bid 100.0 x 5, asks 100.1 x 1 and 100.2 x 10; quantities of the base asset."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from tests.exchange.written_engine import working

from triplegain.domain.market import FeedState, FeedStatus
from triplegain.domain.money import text
from triplegain.domain.queue_path import QueueChange
from triplegain.exchange.book import BID
from triplegain.exchange.queue import UNKNOWN_AHEAD
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
    assert path(usual) == ["1 arrival 5 0", "2 cancelled 3 0", "3 traded 2 3"]


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


@pytest.mark.parametrize("ahead", [1, 150, 10**8, 10**18, UNKNOWN_AHEAD])
@pytest.mark.parametrize("falling", [True, False])
def test_the_bound_holds_however_a_queue_goes(ahead: int, falling: bool) -> None:
    """Ten thousand changes: down in even steps, or to and fro."""
    draws, paths, order = random.Random(1), QueuePaths(), working("o", BID, 1000, 1)
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
    assert points[-1].why is QueueChange.ENDED
    assert len(points) <= POINTS_MAX
    if falling and 150 <= ahead < UNKNOWN_AHEAD:
        # A queue that goes down evenly is seen to its end: no hole is wider than a twentieth.
        assert 60 <= len(points) <= 120
        rows = [each.ahead for each in points if each.ahead is not None]
        assert max(a - b for a, b in pairwise(rows)) < rows[0] / 20
