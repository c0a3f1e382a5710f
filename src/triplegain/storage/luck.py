"""Whether a hit rate says anything: the interval in which the true one may lie, and how many votes it would take."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

#: How sure an interval is, over all comparisons together.
CONFIDENCE = 0.95
#: How often a true advantage should be found.
_POWER = 0.80
_COIN = 0.5


@dataclass(frozen=True, slots=True)
class HitRateInterval:
    """Shares from 0 to 1."""

    low: float
    high: float

    @property
    def is_a_coin(self) -> bool:
        """Whether tossing a coin explains it as well."""
        return self.low <= _COIN <= self.high


def hit_rate_interval(hits: int, votes: int, comparisons: int = 1) -> HitRateInterval:
    """Wilson's interval of a share of `hits` in `votes`.

    Of several comparisons each has a wider one, so that all of them together are right with the confidence. Votes are
    taken to be independent, which those of neighbouring hours are not: the true interval is wider. Raises ValueError
    without a vote or for more hits than votes.
    """
    if not 0 <= hits <= votes or votes < 1:
        raise ValueError(f"{hits} hits in {votes} votes are no share")
    z = _z(comparisons)
    share, weight = hits / votes, z * z / votes
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * sqrt(share * (1 - share) / votes + weight / (4 * votes))
    # At the ends the formula gives 0 and 1, but for the last digit.
    return HitRateInterval(middle - half if hits else 0.0, middle + half if hits < votes else 1.0)


def votes_to_tell(share: float, comparisons: int = 1) -> int:
    """About how many votes tell a true hit rate of `share` from a coin, four times out of five."""
    edge = abs(share - _COIN)
    if not edge:
        raise ValueError("a coin is never told from a coin")
    z = _z(comparisons) * _COIN + NormalDist().inv_cdf(_POWER) * sqrt(share * (1 - share))
    return ceil((z / edge) ** 2)


def _z(comparisons: int) -> float:
    return NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * max(1, comparisons)))
