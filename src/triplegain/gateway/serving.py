"""How a recorded market is served."""

from __future__ import annotations

from dataclasses import dataclass

from triplegain.domain.errors import InvalidValueError


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
