"""Budgets of requests."""

from __future__ import annotations

from triplegain.api.rate_limit import RateLimit
from triplegain.domain.clock import ManualClock

SECOND_NS = 10**9


class TurnedClock(ManualClock):
    def turn_back_to(self, now_ns: int) -> None:
        self._now_ns = now_ns


def test_a_minutes_worth_may_come_at_once_and_comes_back_evenly() -> None:
    clock = ManualClock(1000 * SECOND_NS)
    limit = RateLimit(clock)
    # 6 a minute: one every 10 s.
    assert [limit.take("a", 6) for _ in range(7)] == [0] * 6 + [10 * SECOND_NS]
    assert limit.take("b", 6) == 0, "another key has its own"
    clock.advance_to(1004 * SECOND_NS)
    assert limit.take("a", 6) == 6 * SECOND_NS
    clock.advance_to(1010 * SECOND_NS)
    assert [limit.take("a", 6), limit.take("a", 6)] == [0, 10 * SECOND_NS]


def test_memory_is_bounded_and_the_longest_unseen_is_forgotten() -> None:
    limit = RateLimit(ManualClock(SECOND_NS), keys_max=2)
    for key in ("a", "b", "a", "c"):
        limit.take(key, 1)
    assert len(limit) == 2
    assert limit.take("a", 1) > 0, "a was seen after b"


def test_a_clock_set_back_locks_nobody_out_for_long() -> None:
    clock = TurnedClock(10_000 * SECOND_NS)
    limit = RateLimit(clock)
    for _ in range(6):
        limit.take("a", 6)
    clock.turn_back_to(100 * SECOND_NS)
    assert limit.take("a", 6) == 10 * SECOND_NS
