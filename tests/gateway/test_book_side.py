from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triplegain.domain.market import Level
from triplegain.gateway.served_book import BookSide, Window

# Few prices, small sizes and a narrow window: levels leave and come back all the time.
DEPTH = 3
level = st.tuples(st.integers(1, 9), st.integers(0, 3))
message = st.lists(level, min_size=1, max_size=6)


def _oracle(sizes: dict[int, int], bids: bool, depth: int) -> list[Level]:
    """The best levels, the slow way."""
    return sorted(sizes.items(), reverse=bids)[:depth]


class Client:
    """A subscriber who applies what it is told and cuts to the depth, after each level or after each message."""

    def __init__(self, bids: bool, cut_each_level: bool) -> None:
        self.bids = bids
        self.cut_each_level = cut_each_level
        self.sizes: dict[int, int] = {}

    def apply(self, told: list[Level]) -> None:
        for price, size in told:
            if size:
                self.sizes[price] = size
            elif self.cut_each_level:
                self.sizes.pop(price, None)
            else:
                # Nobody is told to remove what it does not have.
                del self.sizes[price]
            if self.cut_each_level:
                self._cut()
        self._cut()

    def _cut(self) -> None:
        self.sizes = dict(_oracle(self.sizes, self.bids, DEPTH))


@pytest.mark.parametrize("bids", [True, False])
@pytest.mark.parametrize("cut_each_level", [True, False])
@settings(max_examples=300)
@given(messages=st.lists(message, max_size=12), known=st.sampled_from([0, 2, 3, 4, 6]))
def test_a_subscriber_sees_the_best_levels_whenever_it_cuts(
    bids: bool, cut_each_level: bool, messages: list[list[Level]], known: int
) -> None:
    side = BookSide(bids=bids)
    window = side.windows[DEPTH] = Window(DEPTH)
    client, every = Client(bids, cut_each_level), dict[int, int]()
    for levels in messages:
        before = dict(every)
        for price, size in levels:
            every[price] = size
            if not size:
                del every[price]
        if known:
            every = dict(_oracle(every, bids, known))
        moves = side.apply(levels)
        if known:
            moves += side.cut(known)
        client.apply(window.take())
        assert side.top(99) == _oracle(every, bids, 99)
        assert _oracle(client.sizes, bids, DEPTH) == side.top(DEPTH)
        assert side.best == (side.top(1)[0][0] if every else 0)
        changed = Counter[int]()
        for price, more in moves:
            changed[price] += more
        for price in {*before, *every, *changed}:
            assert changed[price] == every.get(price, 0) - before.get(price, 0)


def _told(side: BookSide, levels: list[Level]) -> list[Level]:
    window = side.windows[DEPTH] = Window(DEPTH)
    side.apply(levels)
    return window.take()


def test_a_level_pushed_out_of_view_is_not_told_and_comes_back_after_the_one_that_was_removed() -> None:
    side = BookSide(bids=True)
    side.apply([(10, 1), (9, 1), (8, 1)])
    assert _told(side, [(11, 5)]) == [(11, 5)]
    assert _told(side, [(8, 7)]) == []
    assert _told(side, [(10, 0)]) == [(10, 0), (8, 7)]


def test_what_changes_nothing_is_not_told() -> None:
    side = BookSide(bids=False)
    side.apply([(10, 1)])
    assert _told(side, [(10, 1), (4, 0)]) == []


def test_the_same_price_twice_in_one_message_is_told_twice() -> None:
    side = BookSide(bids=False)
    assert _told(side, [(10, 1), (10, 2)]) == [(10, 1), (10, 2)]


def test_beyond_a_price_are_the_better_ones() -> None:
    bids, asks = BookSide(bids=True), BookSide(bids=False)
    for side in (bids, asks):
        side.apply([(8, 1), (9, 1), (10, 1)])
    assert (bids.beyond(8), asks.beyond(10), bids.beyond(10)) == ([10, 9], [8, 9], [])
