"""The demo market's past: candles from before it began, so that indicators are warm at its first price.

As synthetic as the market itself. Candles of every length are cut from the same path and agree with each other, those
of different pairs are made of the same two values, and the last price is the one the market opens at.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random

import numpy as np

from triplegain.domain.candle_time import MINUTE_NS
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle, PastCandles
from triplegain.feeds.demo.path import (
    OPENING_VALUES,
    ORDINARY,
    STEPS_PER_HOUR,
    UNIT,
    Array,
    ValuePaths,
    draws,
    lognormal,
    pair_of,
    random_words,
)

#: Candle lengths in minutes that are told; longer timeframes are made of them.
_LENGTHS = (1, 5, 15, 60, 240, 1440)
#: So many of each, enough for an average over 200 to forget where it began; the days are fewer.
_CANDLES = 960
_DAYS = 220
_DAY_NS = 1440 * MINUTE_NS
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
    first_ns = max(0, start_ns // _DAY_NS - _DAYS) * _DAY_NS
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
