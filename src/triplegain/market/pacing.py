"""A feed at the speed it was recorded, N times as fast, or as fast as it can be read."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from triplegain.domain.clock import SECOND_NS, Clock, SystemClock
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import MarketEvent

Sleep = Callable[[float], Awaitable[None]]

#: Events handed over at once; short enough for the rest of the program to stay responsive.
BATCH = 512


async def paced(
    events: Iterable[MarketEvent],
    speed: float | None,
    clock: Clock | None = None,
    sleep: Sleep = asyncio.sleep,
    batch: int = BATCH,
) -> AsyncIterator[list[MarketEvent]]:
    """The events in order, in batches. `speed` is market time per wall time; None is as fast as possible.

    A reader that falls behind gets what is due without delay: market time catches up with wall time.
    Raises InvalidValueError for a speed that is not above zero.
    """
    if speed is None:
        async for events_now in _at_once(events, sleep, batch):
            yield events_now
        return
    if not (math.isfinite(speed) and speed > 0):
        raise InvalidValueError(f"a speed is a number above zero, or max; this is {speed}")
    clock = clock or SystemClock()
    ready: list[MarketEvent] = []
    started_ns, first_ns = clock.now_ns(), None
    for event in events:
        if first_ns is None:
            first_ns = event.exchange_time_ns
        due_ns = started_ns + int((event.exchange_time_ns - first_ns) / speed)
        if ready and (len(ready) >= batch or due_ns > clock.now_ns()):
            yield ready
            ready = []
            await sleep(0)
        while (wait_ns := due_ns - clock.now_ns()) > 0:
            await sleep(wait_ns / SECOND_NS)
        ready.append(event)
    if ready:
        yield ready


async def _at_once(events: Iterable[MarketEvent], sleep: Sleep, batch: int) -> AsyncIterator[list[MarketEvent]]:
    ready: list[MarketEvent] = []
    for event in events:
        ready.append(event)
        if len(ready) >= batch:
            yield ready
            ready = []
            await sleep(0)
    if ready:
        yield ready
