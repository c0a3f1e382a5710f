"""Queue models: how many of those who left a level stood ahead of us. Quantities in lots.

A level that shrinks without a trade is somebody cancelling. Every model's answer is further capped by the size the
level still shows; for the default that cap is the whole model (the back of the queue leaves first).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

from triplegain.exchange.seeded import DRAW_BITS, draw
from triplegain.exchange.settings import ExchangeSettings, QueueModel

#: Queue ahead of an order at a price whose level cannot be seen; the first sight of the level replaces it.
UNKNOWN_AHEAD = 1 << 62


def is_unknown(ahead: int) -> bool:
    """Whether nobody knows the queue, even where trades or late orders have been counted from it."""
    return ahead > UNKNOWN_AHEAD // 2


class Leavers(Protocol):
    """How many of `cancelled` stood in front, where `ahead` (above 0) did and the level showed `there` (above 0).

    `drawn` gives uniform 64-bit integers; a model calls it as often as it needs chance.
    """

    def from_front(self, ahead: int, there: int, cancelled: int, drawn: Callable[[], int]) -> int: ...


class BackOfQueue:
    """Those behind leave first: we advance only where too few of them are left."""

    def from_front(self, ahead: int, there: int, cancelled: int, drawn: Callable[[], int]) -> int:
        return 0


class Proportional:
    """As large a share of those in front as of all. Fractions stay."""

    def from_front(self, ahead: int, there: int, cancelled: int, drawn: Callable[[], int]) -> int:
        return cancelled * min(ahead, there) // there


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """All from the front with odds ahead^n to behind^n, else none: chance in place of the share that its sources take.

    The form is that of R. Rigtorp, "Estimating order queue position" (2013), with f(x) = x^n; hftbacktest calls it
    PowerProbQueueModel.
    """

    exponent: int

    def from_front(self, ahead: int, there: int, cancelled: int, drawn: Callable[[], int]) -> int:
        weight = ahead**self.exponent
        total = weight + max(there - ahead, 0) ** self.exponent
        return min(ahead, cancelled) if drawn() * total >> DRAW_BITS < weight else 0


def leavers(settings: ExchangeSettings) -> Leavers:
    match settings.queue_model:
        case QueueModel.BACK_OF_QUEUE:
            return BackOfQueue()
        case QueueModel.PROPORTIONAL:
            return Proportional()
        case QueueModel.PROBABILISTIC:
            return PowerLaw(settings.queue_power)
        case _ as never:
            assert_never(never)


class QueueEstimator:
    """`ahead_after` says what is left in front; `draws` counts random numbers used (only where chance decides)."""

    def __init__(self, model: Leavers, seed: int) -> None:
        self._from_front = model.from_front
        self._seed = seed
        self.draws = 0

    def _draw(self) -> int:
        self.draws += 1
        return draw(self._seed, self.draws)

    def ahead_after(self, ahead: int, level_before: int, cancelled: int, level_after: int) -> int:
        """`level_before` is what the level showed less what trades took since; `cancelled` left without a trade."""
        if cancelled > 0 and 0 < ahead < UNKNOWN_AHEAD and level_before > 0:
            ahead -= self._from_front(ahead, level_before, cancelled, self._draw)
        return min(ahead, level_after)
