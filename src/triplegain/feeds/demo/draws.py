"""Whole-number draws for the demo market: the same on every machine.

Tables hold 1024 quantiles of a distribution as integers, to be indexed with ten random bits; a bell-shaped step is the
number of ones among fair bits, or comes from a table too. No floating-point value survives the building of a table.
"""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

TABLE_BITS = 10
TABLE_MASK = (1 << TABLE_BITS) - 1
_QUANTILES = tuple((index + 0.5) / (1 << TABLE_BITS) for index in range(1 << TABLE_BITS))

Table = tuple[int, ...]
Array = npt.NDArray[np.int64]


def exponential(mean: int, at_least: int = 0) -> Table:
    """Waiting times and distances of the given mean, cut at about seven means."""
    return tuple(max(at_least, round(-mean * math.log1p(-quantile))) for quantile in _QUANTILES)


def bell(deviation: int) -> Table:
    """Steps up and down of this standard deviation, cut at 3.3 of them."""
    normal = NormalDist()
    return tuple(round(deviation * normal.inv_cdf(quantile)) for quantile in _QUANTILES)


def lognormal(median: int, sigma: float, at_least: int = 1) -> Table:
    """Sizes with many small and few large ones; the largest is about `median * exp(3.3 * sigma)`."""
    normal = NormalDist()
    return tuple(max(at_least, round(median * math.exp(sigma * normal.inv_cdf(quantile)))) for quantile in _QUANTILES)


def random_words(random: Random, count: int) -> Array:
    """So many numbers of 32 random bits, as an array."""
    drawn = random.getrandbits(32 * count) if count else 0
    return np.frombuffer(drawn.to_bytes(4 * count, "little"), dtype="<u4").astype(np.int64)


def draws(table: Table, words: Array) -> Array:
    """One draw for each word, by its lowest ten bits."""
    drawn: Array = np.array(table, dtype=np.int64)[words & TABLE_MASK]
    return drawn
