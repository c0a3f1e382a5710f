"""The order book of one demo pair: makers quoting around a fair value, takers hitting them.

Both sides keep exactly `DEPTH` levels, as a subscription of that depth shows them: a level pushed out by a better one
is not announced, and a level that goes lets the next outer one in, in the same update. Each update carries one side.
"""

from __future__ import annotations

from bisect import bisect_left
from random import Random

from msgspec import Struct

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate, Level, MarketEvent, PublicTrade
from triplegain.domain.orders import Side
from triplegain.feeds.demo.past import TABLE_BITS, TABLE_MASK, DemoPair, exponential, lognormal

DEPTH = 25
#: Fair values are thousandths of a tick.
FINE = 1000
#: Of 16 things that happen while quotes are in line: trades below the first, cancels below the second, changes of size
#: below the third, new levels from there on. New levels must outnumber cancels, or the book thins out.
_TRADES, _CANCELS, _RESIZES = 4, 8, 11


class _Quotes:
    """One side, best first. A key is the price in ticks, negated for bids: lower is always better."""

    __slots__ = ("keys", "side", "sign", "sizes")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = -1 if side is Side.BUY else 1
        self.keys: list[int] = []
        self.sizes: list[int] = []

    def levels(self) -> tuple[Level, ...]:
        return tuple((self.sign * key, size) for key, size in zip(self.keys, self.sizes, strict=True))


class DemoBookSeen(Struct, frozen=True):
    """Keys and sizes of bids and asks, best first, and how many trades there were."""

    bids: tuple[list[int], list[int]]
    asks: tuple[list[int], list[int]]
    trades: int


class DemoBook:
    """`open` returns the snapshot; `act`, `trade` and `sweep` append what the feed says to `out`.

    Times are (exchange, received) in nanoseconds; fair values are thousandths of a tick.
    """

    def __init__(self, instrument: Instrument, pair: DemoPair, random: Random, out: list[MarketEvent]) -> None:
        self.symbol, self.base, self.quote = instrument.symbol, instrument.base, instrument.quote
        self.share = pair.share
        self._scale = int(FINE / instrument.tick)
        self._bits = random.getrandbits
        self._out = out
        gap = max(1, round(pair.level_gap / instrument.tick))
        self._gaps = exponential(gap, at_least=1)
        self._offsets = exponential(gap * 7)
        self._half_spread = int(pair.half_spread / instrument.tick * FINE)
        self._widest = self._half_spread + FINE * (1 + (gap > 1) * (1 + gap // 2))
        self._level_sizes = lognormal(int(pair.level_size / instrument.lot), 1.3)
        self._trade_sizes = lognormal(int(pair.trade_size / instrument.lot), 1.9)
        self._deepest_sweep = pair.deepest_sweep
        self._bids = _Quotes(Side.BUY)
        self._asks = _Quotes(Side.SELL)
        self._trades = 0
        self._time_ns = 0
        self._received_ns = 0

    def seen(self) -> DemoBookSeen:
        bids, asks = ((list(side.keys), list(side.sizes)) for side in (self._bids, self._asks))
        return DemoBookSeen(bids, asks, self._trades)

    def see(self, seen: DemoBookSeen) -> None:
        """Go on as another one stood."""
        for side, (keys, sizes) in ((self._bids, seen.bids), (self._asks, seen.asks)):
            side.keys[:], side.sizes[:] = keys, sizes
        self._trades = seen.trades

    def at(self, time_ns: int, received_ns: int) -> DemoBook:
        """The same book at another time."""
        self._time_ns = time_ns
        self._received_ns = received_ns
        return self

    def fair(self, base: int, quote: int) -> int:
        """What the pair is worth, of the values of both."""
        return base * self._scale // quote

    def open(self, fair: int) -> None:
        """Fill the book around `fair` and show it whole."""
        for quotes in (self._bids, self._asks):
            quotes.keys.append(self._target(quotes, fair))
            quotes.sizes.append(self._level_sizes[self._bits(TABLE_BITS)])
            self._refill(quotes)
        bids, asks = self._bids.levels(), self._asks.levels()
        self._out.append(BookUpdate(self.symbol, self._time_ns, self._received_ns, bids, asks, True, DEPTH))

    def act(self, fair: int) -> None:
        """One thing happens: quotes follow the fair value, or somebody trades, adds, changes or cancels."""
        bids, asks = self._bids, self._asks
        ask = asks.keys[0] * FINE - fair
        bid = bids.keys[0] * FINE + fair
        if ask <= 0:
            self._retreat(asks, fair)
        elif bid <= 0:
            self._retreat(bids, fair)
        elif ask > self._widest:
            self._improve(asks, bids, fair)
        elif bid > self._widest:
            self._improve(bids, asks, fair)
        else:
            self._churn(fair)

    def trade(self, taker: Side) -> None:
        """An ordinary taker."""
        self._take(self._bids if taker is Side.SELL else self._asks, self._trade_sizes[self._bits(TABLE_BITS)])

    def sweep(self, taker: Side, levels: int) -> None:
        """A taker goes through several levels and into one more."""
        quotes = self._bids if taker is Side.SELL else self._asks
        levels = min(levels, self._deepest_sweep)
        self._take(quotes, sum(quotes.sizes[:levels]) + quotes.sizes[levels] // 2)

    def _target(self, quotes: _Quotes, fair: int) -> int:
        """The best key a maker is ready to quote."""
        return (quotes.sign * fair + self._half_spread + FINE - 1) // FINE

    def _churn(self, fair: int) -> None:
        """What goes on while prices are where they should be."""
        bits = self._bits(14)
        quotes = self._asks if bits & 1 else self._bids
        kind = bits >> 1 & 15
        if kind < _TRADES:
            self.trade(quotes.side.opposite)
        elif kind < _CANCELS:
            index = 1 + (bits >> 5) % (DEPTH - 1)
            key = quotes.keys.pop(index)
            del quotes.sizes[index]
            self._publish(quotes, ((quotes.sign * key, 0), *self._refill(quotes)))
        elif kind < _RESIZES:
            self._resize(quotes, (bits >> 5) % DEPTH)
        else:
            self._add(quotes, fair)

    def _retreat(self, quotes: _Quotes, fair: int) -> None:
        """Quotes at or through the fair value go: a taker may get a piece of the best, makers withdraw the rest."""
        keys, sign = quotes.keys, quotes.sign
        gone = min(bisect_left(keys, sign * fair // FINE + 1), DEPTH - 1)
        bits = self._bits(TABLE_BITS + 2)
        if bits & 3 == 0:
            self._print(quotes, keys[0], min(self._trade_sizes[bits >> 2], quotes.sizes[0]))
        changes = [(sign * key, 0) for key in keys[:gone]]
        del keys[:gone], quotes.sizes[:gone]
        self._publish(quotes, (*changes, *self._refill(quotes)))

    def _improve(self, quotes: _Quotes, other: _Quotes, fair: int) -> None:
        """A maker quotes better than the best, never at or through the other side."""
        key = max(self._target(quotes, fair), 1 - other.keys[0])
        if key < quotes.keys[0]:
            self._insert(quotes, 0, key)
        else:
            self._resize(quotes, 0)

    def _add(self, quotes: _Quotes, fair: int) -> None:
        """A maker opens a level behind the best, in the first free place from the one he had in mind."""
        keys = quotes.keys
        key = max(self._target(quotes, fair), keys[0]) + self._offsets[self._bits(TABLE_BITS)]
        index = bisect_left(keys, key)
        while index < DEPTH and keys[index] == key:
            index += 1
            key += 1
        if index == DEPTH:
            self._resize(quotes, DEPTH - 1)
        else:
            self._insert(quotes, index, key)

    def _insert(self, quotes: _Quotes, index: int, key: int) -> None:
        size = self._level_sizes[self._bits(TABLE_BITS)]
        quotes.keys.insert(index, key)
        quotes.sizes.insert(index, size)
        del quotes.keys[DEPTH], quotes.sizes[DEPTH]
        self._publish(quotes, ((quotes.sign * key, size),))

    def _resize(self, quotes: _Quotes, index: int) -> None:
        quotes.sizes[index] = size = self._level_sizes[self._bits(TABLE_BITS)]
        self._publish(quotes, ((quotes.sign * quotes.keys[index], size),))

    def _refill(self, quotes: _Quotes) -> list[Level]:
        """Let outer levels in until the side is full again."""
        keys, sizes = quotes.keys, quotes.sizes
        entered: list[Level] = []
        for _ in range(DEPTH - len(keys)):
            bits = self._bits(2 * TABLE_BITS)
            key = keys[-1] + self._gaps[bits & TABLE_MASK]
            size = self._level_sizes[bits >> TABLE_BITS]
            keys.append(key)
            sizes.append(size)
            entered.append((quotes.sign * key, size))
        return entered

    def _take(self, quotes: _Quotes, lots: int) -> None:
        """A market order of `lots`: one print per level touched, then one update of the side."""
        keys, sizes = quotes.keys, quotes.sizes
        changes: list[Level] = []
        gone = 0
        while lots and gone <= self._deepest_sweep:
            taken = min(lots, sizes[gone])
            self._print(quotes, keys[gone], taken)
            lots -= taken
            left = sizes[gone] - taken
            changes.append((quotes.sign * keys[gone], left))
            sizes[gone] = left
            gone += left == 0
        del keys[:gone], sizes[:gone]
        self._publish(quotes, (*changes, *self._refill(quotes)))

    def _print(self, quotes: _Quotes, key: int, lots: int) -> None:
        self._trades += 1
        price, taker = quotes.sign * key, quotes.side.opposite
        self._out.append(
            PublicTrade(self.symbol, self._time_ns, self._received_ns, price, lots, taker, str(self._trades))
        )

    def _publish(self, quotes: _Quotes, levels: tuple[Level, ...]) -> None:
        bids, asks = (levels, ()) if quotes.sign < 0 else ((), levels)
        self._out.append(BookUpdate(self.symbol, self._time_ns, self._received_ns, bids, asks, False, DEPTH))
