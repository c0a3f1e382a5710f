"""When the next event of a served market is due: at a speed, or as fast as its clients read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.gateway.connection import Audience, Connection
from triplegain.gateway.venue import Venue


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """`port` 0 takes a free one. `speed` is market seconds per wall second, None as fast as the clients read.

    The market stands still until every channel of `start_after` has been subscribed; with none it starts at once,
    with None only when told to. What happens in the first `history_s` seconds of it is past by then.
    """

    port: int = 0
    speed: float | None = None
    loop: bool = False
    derive_xrp: bool = True
    start_after: tuple[str, ...] | None = ("book",)
    history_s: float = 0.0
    #: Random faults, the same for the same seed; None: only those that are ordered.
    fault_seed: int | None = None
    fault_every_s: float = 5.0
    heartbeat_s: float = 1.0
    #: A connection on which nothing was said either way for so long is closed.
    idle_s: float = 60.0
    #: Open WebSocket connections at most; more are refused with HTTP 429.
    connections_max: int = 100
    #: A client that has so much waiting for it is too slow and is cut off. As fast as the clients read, it is the
    #: market that waits, so long as the client takes anything within `stalled_s`.
    unsent_bytes_max: int = 16 * 1024 * 1024
    stalled_s: float = 30.0

    def __post_init__(self) -> None:
        if self.speed is not None and self.speed <= 0:
            raise InvalidValueError("the speed of a served market is above zero, or max")
        if self.history_s < 0 or self.heartbeat_s <= 0 or self.idle_s <= 0:
            raise InvalidValueError("seconds of a served market are above zero")


#: Events between two looks at what waits in the connections.
_EVENTS_AT_A_TIME = 64

#: As fast as the clients read: so much may wait for each of them.
_UNSENT_BYTES = 256 * 1024

_POLL_S = 0.001


class PacedPlayer:
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
