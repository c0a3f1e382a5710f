"""Who of a queue is taken to have left, at the edges. Quantities in lots."""

from __future__ import annotations

import pytest

from triplegain.exchange.queue import UNKNOWN_AHEAD, BackOfQueue, PowerLaw, Proportional, QueueEstimator
from triplegain.exchange.seeded import draw

BACK, PROPORTIONAL, SQUARES = BackOfQueue(), Proportional(), PowerLaw(2)
#: The first draw of seed 50 is in the last of 26 parts, that of seed 1 in the lower half, that of seed 0 in the upper.
LAST_OF_26, LOWER, UPPER = 50, 1, 0


@pytest.mark.parametrize(
    ("ahead", "before", "cancelled", "after", "left"),
    [
        (10, 100, 10, 90, 9),  # a tenth leaves, a tenth of those in front
        (100, 100, 1, 99, 99),
        (1, 1, 1, 5, 0),
        (1, 4, 4, 5, 0),
        (10, 100, 0, 100, 10),
        (0, 100, 10, 90, 0),
        (7, 0, 3, 9, 7),  # of a level that trades have emptied nobody is known to have left
        (5, 3, 2, 9, 3),  # more in front than it showed: of those that it showed
        (UNKNOWN_AHEAD, 100, 10, 90, 90),
        (10, 100, 10, 4, 4),  # never more than the level shows
    ],
)
def test_the_proportional_queue(ahead: int, before: int, cancelled: int, after: int, left: int) -> None:
    queue = QueueEstimator(PROPORTIONAL, 0)
    assert (queue.ahead_after(ahead, before, cancelled, after), queue.draws) == (left, 0)


@pytest.mark.parametrize(
    ("seed", "ahead", "before", "cancelled", "left", "draws"),
    [
        (LOWER, 1, 2, 1, 0, 1),  # one in front and one behind: 1 of 2
        (UPPER, 1, 2, 1, 1, 1),
        (LAST_OF_26, 5, 5, 2, 3, 1),  # nobody behind: it was somebody in front
        (LAST_OF_26, 5, 3, 2, 3, 1),
        (LAST_OF_26, 5, 6, 2, 5, 1),  # 25 in front and 1 behind: the last of 26
        (LOWER, 1, 2, 9, 0, 1),  # no more leave than are there
        # Nothing is drawn where there is nothing to decide.
        (LOWER, 1, 2, 0, 1, 0),
        (LOWER, 0, 2, 1, 0, 0),
        (LOWER, 1, 0, 1, 1, 0),
        (LOWER, UNKNOWN_AHEAD, 2, 1, 100, 0),
        (LOWER, 1, 1, 1, 0, 1),
    ],
)
def test_the_probabilistic_queue(seed: int, ahead: int, before: int, cancelled: int, left: int, draws: int) -> None:
    queue = QueueEstimator(SQUARES, seed)
    assert (queue.ahead_after(ahead, before, cancelled, 100), queue.draws) == (left, draws)


def test_the_draws_are_what_they_are_called() -> None:
    assert (draw(LAST_OF_26, 1) * 26 >> 64, draw(LOWER, 1) >> 63, draw(UPPER, 1) >> 63) == (25, 0, 1)


def test_at_the_back_only_what_the_level_shows_counts() -> None:
    queue = QueueEstimator(BACK, 0)
    assert [queue.ahead_after(10, 100, cancelled, 100 - cancelled) for cancelled in (0, 90, 95)] == [10, 10, 5]
