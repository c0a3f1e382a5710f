"""When the next event of a served market is due: at a speed, or as fast as its clients read."""

from __future__ import annotations

import asyncio

from triplegain.domain.clock import SECOND_NS
from triplegain.gateway.audience import Audience
from triplegain.gateway.connection import Connection
from triplegain.gateway.serving import ServingSettings
from triplegain.gateway.venue import Venue

#: Events between two looks at what waits in the connections.
_EVENTS_AT_A_TIME = 64

#: As fast as the clients read: so much may wait for each of them.
_UNSENT_BYTES = 256 * 1024

_POLL_S = 0.001


class Player:
    """Plays a venue to its audience from `start` to its end.

    `pause` stops market time for a reason; it goes on when every reason has been taken back by `resume`.
    """

    def __init__(self, venue: Venue, audience: Audience, settings: ServingSettings) -> None:
        self._venue = venue
        self._audience = audience
        self._settings = settings
        self._started = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()
        self._reasons: set[str] = set()
        self._anchor: tuple[float, int] = (0.0, 0)
        self.finished = asyncio.Event()
        #: Wall seconds by which the market is behind its speed.
        self.lag_s = 0.0

    @property
    def is_started(self) -> bool:
        return self._started.is_set()

    @property
    def is_paused(self) -> bool:
        return not self._going.is_set()

    def start(self) -> None:
        if not self.is_started:
            self._set_anchor()
            self._started.set()

    def pause(self, reason: str = "asked to") -> None:
        self._reasons.add(reason)
        self._going.clear()

    def resume(self, reason: str = "asked to") -> None:
        self._reasons.discard(reason)
        if self.is_paused and not self._reasons:
            self._set_anchor()
            self._going.set()

    def skip(self, market_s: float) -> None:
        """Goes on by market time at once, telling those who listen."""
        target = self._venue.now_ns + round(market_s * SECOND_NS)
        while (upcoming := self._venue.next_ns) is not None and upcoming <= target:
            self._audience.deliver(self._venue.step())
        self._set_anchor()

    async def run(self) -> None:
        """Until the market's end; it is then `finished`."""
        await self._started.wait()
        played = 0
        while (due_ns := self._venue.next_ns) is not None:
            if not self._going.is_set():
                await self._going.wait()
                continue
            if self._settings.speed is not None and (wait := self._wait_s(due_ns, self._settings.speed)) > 0:
                await asyncio.sleep(wait)
                continue
            played += 1
            if played % _EVENTS_AT_A_TIME == 0:
                await self._breathe()
                continue
            self._audience.deliver(self._venue.step())
        self.finished.set()

    def _set_anchor(self) -> None:
        self._anchor = (asyncio.get_running_loop().time(), self._venue.now_ns)

    def _wait_s(self, due_ns: int, speed: float) -> float:
        wall, market = self._anchor
        wait = (due_ns - market) / SECOND_NS / speed - (asyncio.get_running_loop().time() - wall)
        self.lag_s = max(0.0, -wait)
        return wait

    async def _breathe(self) -> None:
        """Lets the connections send; as fast as the clients read, waits until they have read."""
        await asyncio.sleep(0)
        if self._settings.speed is not None:
            for connection in self._audience:
                if connection.unsent_bytes > self._settings.unsent_bytes_max:
                    connection.abort()
            return
        while not self._audience.is_listening:
            await asyncio.sleep(_POLL_S)
        for connection in self._audience:
            await self._until_read(connection)

    async def _until_read(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        least, since = connection.unsent_bytes, loop.time()
        while connection.is_open and not connection.half_open and connection.unsent_bytes > _UNSENT_BYTES:
            await asyncio.sleep(_POLL_S)
            if connection.unsent_bytes < least:
                least, since = connection.unsent_bytes, loop.time()
            elif loop.time() - since > self._settings.stalled_s:
                connection.abort()
