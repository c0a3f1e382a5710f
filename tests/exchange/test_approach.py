"""The extremes since each order stood, beside a list of all trades; prices in ticks."""

from __future__ import annotations

import random

import pytest
from tests.examples import seeds

from triplegain.exchange.approach import HIGH, LOW, Approach


@pytest.mark.parametrize("seed", seeds(8, always=3))
def test_it_is_what_a_look_at_all_trades_finds(seed: int) -> None:
    """Orders come and go, several of one moment and with trades in between, and some trades are told late; now and then
    all of it is stored and put back."""
    draws, approach = random.Random(seed), Approach(lambda: None, 10)
    trades: list[tuple[int, int, int]] = []
    waiting: dict[int, tuple[int, int]] = {}
    price, now = 1000, 1
    for step in range(3000):
        roll = draws.random()
        now += draws.choice((0, 0, 1, 5))
        if roll < 0.15:
            since = max([now, *(since for since, _ in waiting.values())])
            waiting.setdefault(approach.begin(since, lambda: list(waiting)), (since, len(trades)))
        elif roll < 0.25 and waiting:
            del waiting[draws.choice(list(waiting))]
        elif roll < 0.27:
            kept, approach = approach.stored(), Approach(lambda: None, 10)
            if kept is not None:
                approach.restore(kept)
        else:
            price += draws.randint(-4, 4) + (1 if step < 1500 else -1)
            moment = now - draws.choice((0, 0, 0, 3))
            trades.append((price, moment, step))
            approach.trade(price, moment, step)
        for number, (since, behind) in waiting.items() if step % 50 == 0 else ():
            seen = [(traded, at) for traded, moment, at in trades[behind:] if moment >= since]
            for side, extreme in ((LOW, min), (HIGH, max)):
                best = extreme((traded for traded, _ in seen), default=None)
                first = next(((traded, at) for traded, at in seen if traded == best), None)
                assert approach.since(side, number) == first
    assert max(map(len, approach.entries)) < 400


def test_entries_of_a_market_that_only_rises_do_not_grow_with_the_orders_that_are_over() -> None:
    approach = Approach(lambda: None)
    for price in range(1000, 11_000):
        number = approach.begin(price, list)
        approach.trade(price, price, price)
        assert approach.since(LOW, number) == approach.since(HIGH, number) == (price, price)
    assert max(map(len, approach.entries)) <= 130
