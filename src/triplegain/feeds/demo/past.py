"""The demo market's past: candles from before it began, so that indicators are warm at its first price.

As synthetic as the market itself. Candles of every length are cut from the same path and agree with each other, those
of different pairs are made of the same two values, and the last price is the one the market opens at.

Tables hold 1024 quantiles of a distribution as integers, to be indexed with ten random bits; a bell-shaped step is the
number of ones among fair bits, or comes from a table too. No floating-point value survives the building of a table.

A value goes through moods of a day or so: quiet, choppy, rising, falling. They are made of legs of some hours, straight
but for noise that is back at zero at the end, so that values stay near the opening one and arrive exactly there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from random import Random
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from triplegain.domain.clock import DAY_NS, MINUTE_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, PastCandles

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


#: Candle lengths in minutes that are told; longer timeframes are made of them.
_LENGTHS = (1, 5, 15, 60, 240, 1440)
#: So many of each, enough for an average over 200 to forget where it began; the days are fewer.
_CANDLES = 960
_DAYS = 220
_STEPS_PER_MINUTE = STEPS_PER_HOUR // 60
_STEP_NS = MINUTE_NS // _STEPS_PER_MINUTE

#: Volume and trades of a step in thousandths of the mean.
_THOUSAND = 1000
_VOLUMES = lognormal(780, 0.7)
_TRADES = lognormal(970, 0.25)


def past_candles(
    seed: int, start_ns: int, received_at_ns: int, instruments: Sequence[Instrument]
) -> tuple[PastCandles, ...]:
    """Per instrument and length the closed candles up to `start_ns`, and the unfinished one where it lies within one.

    The same arguments give the same candles on every machine. None reach back to before 1970.
    """
    first_ns = max(0, start_ns // DAY_NS - _DAYS) * DAY_NS
    # Not the market's own generator: its events are the same with and without a past.
    paths = ValuePaths(Random(f"the past of demo market {seed}"), -(-(start_ns - first_ns) // _STEP_NS))
    told: list[PastCandles] = []
    for instrument in instruments:
        words = random_words(Random(f"the past of demo market {seed}: {instrument.symbol}"), paths.steps)
        track = _Track(instrument, paths, words, first_ns)
        for minutes in _LENGTHS:
            length_ns = minutes * MINUTE_NS
            candles = track.candles(length_ns, start_ns)
            unfinished = candles.pop() if candles and start_ns % length_ns else None
            if candles:
                told.append(PastCandles(instrument.symbol, start_ns, received_at_ns, tuple(candles), unfinished))
    return tuple(told)


class _Track:
    """One pair's prices, volumes and trades, step by step from `first_ns` on."""

    def __init__(self, instrument: Instrument, paths: ValuePaths, words: Array, first_ns: int) -> None:
        pair = pair_of(instrument)
        self._symbol = instrument.symbol
        self._first_ns = first_ns
        opening = Fraction(OPENING_VALUES[instrument.base]) / Fraction(OPENING_VALUES[instrument.quote])
        self._ticks, self._parts = (opening / Fraction(instrument.tick)).as_integer_ratio()
        self._prices = paths.price(instrument.base, instrument.quote)
        liveliness = paths.liveliness(instrument.base)
        whole = _THOUSAND * ORDINARY * _STEPS_PER_MINUTE
        #: Volumes are so many shares of this many lots, so that those of short candles add up to those of long ones.
        self._share_lots = max(1, int(pair.minute_volume / instrument.lot) // whole)
        self._volumes = draws(_VOLUMES, words) * liveliness
        self._trades = draws(_TRADES, words) * liveliness * pair.minute_trades // whole

    def candles(self, length_ns: int, until_ns: int) -> list[Candle]:
        """The latest closed ones, and after them the one in which `until_ns` lies."""
        size, steps = length_ns // _STEP_NS, len(self._volumes)
        closed = (until_ns - self._first_ns) // length_ns
        begin, end = max(0, closed - _CANDLES) * size, closed * size
        rows = self._rows(begin, end, size)
        if end < steps:
            rows += self._rows(end, steps, steps - end)
        open_ns = self._first_ns + begin * _STEP_NS
        lots, symbol, ticks, parts = self._share_lots, self._symbol, self._ticks, self._parts * UNIT
        half = parts // 2
        return [
            Candle(
                symbol,
                open_ns + number * length_ns,
                length_ns,
                (first * ticks + half) // parts,
                (high * ticks + half) // parts,
                (low * ticks + half) // parts,
                (last * ticks + half) // parts,
                shares * lots,
                trades,
            )
            for number, (first, high, low, last, shares, trades) in enumerate(rows)
        ]

    def _rows(self, begin: int, end: int, size: int) -> list[tuple[int, ...]]:
        """Open, high, low, close, volume and trades of every `size` steps; each opens where the last one closed."""
        prices = self._prices[begin + 1 : end + 1].reshape(-1, size)
        opens = self._prices[begin:end:size]
        columns = (
            opens,
            np.maximum(opens, prices.max(axis=1)),
            np.minimum(opens, prices.min(axis=1)),
            prices[:, -1],
            self._volumes[begin:end].reshape(-1, size).sum(axis=1),
            self._trades[begin:end].reshape(-1, size).sum(axis=1),
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))
