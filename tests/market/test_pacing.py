from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Heartbeat, MarketEvent
from triplegain.market.pacing import paced


def _events(*seconds: float) -> list[MarketEvent]:
    return [Heartbeat(int(second * SECOND_NS), int(second * SECOND_NS)) for second in seconds]


class _Wall:
    """A wall clock that only sleeping moves, and what was handed over when."""

    def __init__(self) -> None:
        self.clock = ManualClock(1_000_000 * SECOND_NS)
        self.start_ns = self.clock.now_ns()

    async def sleep(self, seconds: float) -> None:
        self.clock.advance_to(self.clock.now_ns() + round(seconds * SECOND_NS))

    def run(
        self, events: list[MarketEvent], speed: float | None, batch: int = 512, busy: float = 0
    ) -> list[tuple[float, list[float]]]:
        async def read() -> list[tuple[float, list[float]]]:
            seen = []
            async for ready in paced(events, speed, self.clock, self.sleep, batch):
                at = (self.clock.now_ns() - self.start_ns) / SECOND_NS
                seen.append((at, [event.exchange_time_ns / SECOND_NS for event in ready]))
                await self.sleep(busy)
            return seen

        return asyncio.run(read())


def test_market_time_advances_n_times_wall_time() -> None:
    # 10 s of market at 5 times: 2 s of wall time; events of one time come together.
    assert _Wall().run(_events(100, 100, 105, 110), 5) == [(0, [100, 100]), (1, [105]), (2, [110])]


def test_a_slow_reader_gets_what_is_due_at_once() -> None:
    # Busy for 2.5 s after the first batch: 1 s and 2 s are due then, 4 s is not.
    assert _Wall().run(_events(0, 1, 2, 4), 1, busy=2.5) == [(0, [0]), (2.5, [1, 2]), (5, [4])]


def test_as_fast_as_possible_hands_over_whole_batches() -> None:
    assert _Wall().run(_events(0, 1000, 2000, 3000, 4000), None, batch=2) == [
        (0, [0, 1000]),
        (0, [2000, 3000]),
        (0, [4000]),
    ]


def test_a_batch_is_never_larger_than_asked() -> None:
    assert [len(ready) for _, ready in _Wall().run(_events(*[7] * 5), 1, batch=2)] == [2, 2, 1]


def test_others_run_between_two_batches() -> None:
    async def read() -> list[str]:
        told: list[str] = []

        async def other() -> None:
            told.append("other")

        task = asyncio.create_task(other())
        async for ready in paced(_events(1, 2, 3), None, batch=1):
            told.append(str(len(ready)))
        await task
        return told

    assert asyncio.run(read()) == ["1", "other", "1", "1"]


def test_events_are_read_only_as_they_are_needed() -> None:
    read = []

    def source() -> Iterator[MarketEvent]:
        for event in _events(0, 10, 20):
            read.append(event)
            yield event

    async def first() -> None:
        wall = _Wall()
        async for _ in paced(source(), 1, wall.clock, wall.sleep):
            break

    asyncio.run(first())
    assert len(read) == 2  # the second had to be seen to know that it is not due


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_is_a_number_above_zero(speed: float) -> None:
    with pytest.raises(InvalidValueError, match="speed"):
        _Wall().run(_events(1), speed)


def test_no_events_are_no_batches() -> None:
    assert _Wall().run([], 1) == [] and _Wall().run([], None) == []
