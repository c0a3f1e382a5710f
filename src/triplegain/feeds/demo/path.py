"""The way the demo market's hidden values took before it began, as whole numbers in arrays.

A value goes through moods of a day or so: quiet, choppy, rising, falling. They are made of legs of some hours, straight
but for noise that is back at zero at the end, so that values stay near the opening one and arrive exactly there.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from triplegain.feeds.demo.draws import TABLE_BITS, Array, bell, draws, exponential, random_words

#: The opening value; paths are told in billionths of it.
UNIT = 1_000_000_000
#: Points of the path in an hour.
STEPS_PER_HOUR = 180
#: Liveliness of an ordinary hour: that of others is more or less of these parts.
ORDINARY = 16

#: Standard deviation of a step in an ordinary hour, in billionths.
_BTC_NOISE = bell(140_000)
_XRP_NOISE = bell(140_000)
#: XRP moves by this many tenths of BTC's return, beside its own.
_XRP_FOLLOWS = 6
#: No further away than this from the opening value: what would lead there leads back.
_FARTHEST = 70_000_000
#: From beginning to end of a leg without a trend.
_MOVES = exponential(2_000_000)
#: A trend's slope per hour, and up to 2^19 more.
_SLOPE = 250_000
_SLOPE_BITS = 19


@dataclass(frozen=True, slots=True)
class _Mood:
    """So many legs of `hours` and up to 2^`more_bits` - 1 hours more; `liveliness` in parts of `ORDINARY`."""

    legs: int
    hours: int
    more_bits: int
    liveliness: int
    trend: bool


#: Without a trend the price is soon back where it was.
_QUIET = _Mood(6, 2, 2, 7, trend=False)
_CHOPPY = _Mood(10, 2, 2, 22, trend=False)
_TREND = _Mood(1, 12, 5, 14, trend=True)
_MOODS = (_QUIET, _CHOPPY, _TREND, _TREND)


class ValuePaths:
    """`steps` steps to the opening: each value has `steps` + 1 points, the last of them `UNIT`."""

    def __init__(self, random: Random, steps: int) -> None:
        words = random_words(random, steps)
        self.steps = steps
        btc, btc_liveliness = _path(random, draws(_BTC_NOISE, words))
        own, xrp_liveliness = _path(random, draws(_XRP_NOISE, words >> TABLE_BITS))
        xrp = own + (btc - UNIT) * _XRP_FOLLOWS // 10
        self._values = {"BTC": btc, "XRP": xrp, "USDT": np.full_like(btc, UNIT)}
        self._liveliness = {"BTC": btc_liveliness, "XRP": xrp_liveliness}

    def price(self, base: str, quote: str) -> Array:
        """One asset in terms of another, in billionths of the opening price."""
        values = self._values
        return values[base] if quote == "USDT" else values[base] * UNIT // values[quote]

    def liveliness(self, base: str) -> Array:
        """How busy each step was, in parts of `ORDINARY`."""
        return self._liveliness[base]


def _path(random: Random, noise: Array) -> tuple[Array, Array]:
    """A path of as many steps as there is noise, and the liveliness of each."""
    lengths, moves, livelinesses = _moods(random, len(noise))
    liveliness = np.repeat(livelinesses, lengths)
    wander = np.concatenate(([0], np.cumsum(noise * liveliness // ORDINARY)))
    ends = np.cumsum(lengths)
    starts = ends - lengths
    levels = UNIT - np.cumsum(moves[::-1])[::-1]
    # A leg goes straight from level to level, and what it wandered off by its end is taken back on the way.
    straight = moves - (wander[ends] - wander[starts])
    done = np.arange(1, len(noise) + 1) - np.repeat(starts, lengths)
    path = np.repeat(levels - wander[starts], lengths) + wander[1:]
    path += np.repeat(straight, lengths) * done // np.repeat(lengths, lengths)
    return np.concatenate((levels[:1], path)), liveliness


def _moods(random: Random, steps: int) -> tuple[Array, Array, Array]:
    """Length in steps, move and liveliness of each leg, oldest first. Made from the last one backwards."""
    bits = random.getrandbits
    rows: list[tuple[int, int, int]] = []
    level = UNIT
    while steps > 0:
        mood = _MOODS[bits(2)]
        for _ in range(mood.legs):
            hours = mood.hours + bits(mood.more_bits)
            size = (_SLOPE + bits(_SLOPE_BITS)) * hours if mood.trend else _MOVES[bits(TABLE_BITS)]
            move = size if bits(1) else -size
            if abs(level - move - UNIT) > _FARTHEST:
                move = size if level > UNIT else -size
            rows.append((min(hours * STEPS_PER_HOUR, steps), move, mood.liveliness))
            level -= move
            steps -= rows[-1][0]
            if not steps:
                break
    lengths, moves, livelinesses = np.array(rows[::-1], dtype=np.int64).reshape(-1, 3).T
    return lengths, moves, livelinesses
