"""Queue models: how many of those who left a level stood ahead of us. Quantities in lots.

A level that shrinks without a trade is somebody cancelling. Every model's answer is further capped by the size the
level still shows; for the default that cap is the whole model (the back of the queue leaves first).
Power-law form of the probabilistic model: R. Rigtorp, "Estimating order queue position" (2013).
"""

from __future__ import annotations

from triplegain.exchange.seeded import draw
from triplegain.exchange.settings import QueueModel

#: Queue ahead of an order at a price whose level cannot be seen; the first sight of the level replaces it.
UNKNOWN_AHEAD = 1 << 62


class QueueEstimator:
    """`ahead_after` says what is left in front; `draws` counts random numbers used (only the probabilistic model)."""

    def __init__(self, model: QueueModel, seed: int) -> None:
        self._model = model
        self._seed = seed
        self.draws = 0

    def ahead_after(self, ahead: int, level_before: int, cancelled: int, level_after: int) -> int:
        """`level_before` is what the level showed less what trades took since; `cancelled` left without a trade."""
        if cancelled > 0 and 0 < ahead < UNKNOWN_AHEAD and level_before > 0:
            if self._model is QueueModel.PROPORTIONAL:
                ahead -= cancelled * min(ahead, level_before) // level_before
            elif self._model is QueueModel.PROBABILISTIC:
                behind = max(level_before - ahead, 0)
                weight_ahead, weight_behind = ahead * ahead, behind * behind
                self.draws += 1
                if draw(self._seed, self.draws) % (weight_ahead + weight_behind) < weight_ahead:
                    ahead -= min(ahead, cancelled)
        return min(ahead, level_after)
