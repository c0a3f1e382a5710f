"""The way the demo market's hidden values took before it began, as whole numbers in arrays.

A value goes through moods of a day or so: quiet, choppy, rising, falling. They are made of legs of some hours, straight
but for noise that is back at zero at the end, so that values stay near the opening one and arrive exactly there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument

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


#: Opening value of an asset in USDT; every pair is quoted around the quotient of two of them.
OPENING_VALUES: Mapping[str, Decimal] = {"BTC": Decimal(60_000), "XRP": Decimal("0.6"), "USDT": Decimal(1)}

#: A price of fewer ticks leaves no room for the levels of a book.
_FEWEST_TICKS = 500


@dataclass(frozen=True, slots=True)
class DemoPair:
    """Character of one pair.

    `half_spread` and `level_gap` (mean distance between levels) in the quote currency, `level_size` and `trade_size`
    (medians) in base; `share` of the market's activity in 64ths; a burst takes `deepest_sweep` levels at most.
    `minute_trades` and `minute_volume` (in base) are what this makes of an ordinary minute, for the past.
    """

    half_spread: Decimal
    level_gap: Decimal
    level_size: Decimal
    trade_size: Decimal
    share: int
    deepest_sweep: int
    minute_trades: int
    minute_volume: Decimal


PAIRS: Mapping[str, DemoPair] = {
    "BTC/USDT": DemoPair(
        Decimal("0.12"), Decimal("0.2"), Decimal("0.13"), Decimal("0.0020"), 36, 12, 260, Decimal("5.3")
    ),
    "XRP/USDT": DemoPair(
        Decimal("0.00003"), Decimal("0.00004"), Decimal(1500), Decimal(120), 18, 8, 200, Decimal(120_000)
    ),
    "XRP/BTC": DemoPair(
        Decimal("0.000000003"), Decimal("0.00000001"), Decimal(2500), Decimal(90), 10, 2, 100, Decimal(49_000)
    ),
}


def pair_of(instrument: Instrument) -> DemoPair:
    """The character of this instrument. Raises InvalidValueError for a pair or a tick it cannot be quoted in."""
    pair = PAIRS.get(instrument.symbol)
    if pair is None:
        raise InvalidValueError(f"the demo market has {', '.join(PAIRS)}, not {instrument.symbol}")
    if OPENING_VALUES[instrument.base] < _FEWEST_TICKS * instrument.tick * OPENING_VALUES[instrument.quote]:
        raise InvalidValueError(f"{instrument.symbol}: a tick of {instrument.tick} is too coarse for the demo market")
    return pair
