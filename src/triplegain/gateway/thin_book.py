"""A book where a recording has only trades: made up around each trade, the same every time, and said to be so."""

from __future__ import annotations

from zlib import crc32

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Level

#: Levels a side.
LEVELS = 25

#: The distance between two levels is this share of the first price: half a basis point.
_STEPS_IN_PRICE = 20_000

#: A level is worth one to eight times this many minimum costs.
_COST_MINIMA = 1000


class ThinBook:
    """Levels on a fixed grid of prices, whose sizes depend on the price alone; the trade stands at its own side's best.

    A trade that bought took the best ask, so the best ask is its price; one that sold makes the best bid.
    """

    def __init__(self, instrument: Instrument, first_price: int) -> None:
        self._step = max(1, first_price // _STEPS_IN_PRICE)
        cost = instrument.cost_min * _COST_MINIMA
        self._size = max(1, int(cost / (instrument.price(first_price) * instrument.lot)))

    def around(self, price: int, *, bought: bool) -> tuple[list[Level], list[Level]]:
        """Bids from high to low and asks from low to high."""
        step = self._step
        below = (price - 1) // step * step
        above = (price // step + 1) * step
        bids = [below - step * number for number in range(LEVELS)]
        asks = [above + step * number for number in range(LEVELS)]
        if bought:
            asks = [price, *asks[:-1]]
        else:
            bids = [price, *bids[:-1]]
        return [self._level(one) for one in bids if one > 0], [self._level(one) for one in asks]

    def _level(self, price: int) -> Level:
        return price, self._size * (1 + crc32(b"%d" % price) % 8)
