"""Pacing: when a market event is due on the wall, and what market time it is in between."""

from __future__ import annotations

from triplegain.domain.clock import Clock


class SessionClock:
    """Maps market time to wall time at `speed` (market seconds per wall second); None is as fast as possible."""

    def __init__(self, clock: Clock, speed: float | None) -> None:
        self._clock = clock
        self._speed = speed
        self._origin: tuple[int, int] | None = None

    @property
    def is_paced(self) -> bool:
        return self._speed is not None

    def start(self, market_ns: int) -> None:
        """This market time is now."""
        self._origin = (market_ns, self._clock.now_ns())

    def rest(self, wall_ns: int) -> None:
        """For so long the market stood still."""
        if self._origin is not None:
            self._origin = (self._origin[0], self._origin[1] + wall_ns)

    def wait_s(self, market_ns: int) -> float:
        """Wall seconds until this market time; 0 or less when it is due."""
        if self._speed is None:
            return 0.0
        if self._origin is None:
            self.start(market_ns)
        return (market_ns - self.market_now_ns()) / self._speed / 1e9

    def market_now_ns(self) -> int:
        """Market time by the wall. Only asked of a paced clock that was started."""
        if self._origin is None or self._speed is None:
            return 0
        market_ns, wall_ns = self._origin
        return market_ns + int((self._clock.now_ns() - wall_ns) * self._speed)
