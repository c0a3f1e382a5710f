"""The built-in synthetic market: seeded, endless, the same on every machine, and never to be taken for a real one.

Three books are quoted around two hidden values, so BTC/USDT, XRP/USDT and XRP/BTC agree with each other.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from random import Random

from msgspec import Struct

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS, Instrument
from triplegain.domain.market import Heartbeat, MarketDepth, MarketEvent, PastCandles
from triplegain.domain.orders import Side
from triplegain.domain.quote import QuoteSource
from triplegain.feeds.demo.book import DemoBook, DemoBookSeen
from triplegain.feeds.demo.past import OPENING_VALUES, TABLE_BITS, exponential, lognormal, pair_of, past_candles
from triplegain.market.feed_marks import FeedMarks, unmarked

#: Values are whole numbers of this part of one USDT, so that a billionth of any of them still moves it.
UNIT_DECIMALS = 10
_BILLION = 1_000_000_000
#: Slopes are kept in 2^-20 units per microsecond, the share of BTC's moves that XRP follows in 2^-40.
_SLOPE_SHIFT = 20
_FOLLOW_SHIFT = 40

#: Slope of a leg, billionths per millisecond: 18 is 4 basis points in 22 s.
_SLOPES = lognormal(18, 0.2)
_LEG_SHORTEST_US = 14_000_000
_LEG_SPREAD_BITS = 24  # up to 16.8 s longer
#: The first legs are short and steady, a fall of about 20 s before the first rise, so that a newcomer soon has an
#: EMA 9/21 cross each way on one-second candles.
_FIRST_LEGS = 4
_FIRST_FALL_LONGER_US = 5_000_000
_FIRST_LEG_SPREAD_BITS = 20  # up to 1 s longer
_FIRST_SLOPE = 22
#: Noise in billionths per step, for each of sixteen coins more or fewer (standard deviation 2.8).
_BTC_NOISE = 800
_XRP_NOISE = 2_000
_COINS = 0xFFFFFFFF
#: XRP moves by this many tenths of BTC's return, beside its own.
_XRP_FOLLOWS = 6
#: A leg against the opening value is 1.5 % flatter for each 0.1 % of distance, one towards it as much steeper.
_PULL = 15


class LegSeen(Struct, frozen=True):
    """A value and the trend it is in; see `_Leg`."""

    turns: int
    value: int
    rising: bool
    slope: int
    noise: int
    until_us: int


class ValuesSeen(Struct, frozen=True):
    """How the values stand."""

    btc: LegSeen
    xrp: LegSeen
    follow: int


class _Leg:
    """One asset's value and the trend it is in, in whole units so that a step is a few additions."""

    __slots__ = ("_bits", "_turns", "noise", "opening", "rising", "slope", "until_us", "value")

    def __init__(self, asset: str, bits: Callable[[int], int]) -> None:
        self._bits = bits
        self._turns = 0
        self.value = self.opening = int(OPENING_VALUES[asset].scaleb(UNIT_DECIMALS))
        self.rising = True
        self.slope = 0
        self.noise = 0
        self.until_us = 0

    def seen(self) -> LegSeen:
        return LegSeen(self._turns, self.value, self.rising, self.slope, self.noise, self.until_us)

    def see(self, seen: LegSeen) -> None:
        self._turns, self.value, self.rising = seen.turns, seen.value, seen.rising
        self.slope, self.noise, self.until_us = seen.slope, seen.noise, seen.until_us

    def turn(self, now_us: int, noise: int) -> None:
        """Start the next leg, against the last one."""
        self.rising = not self.rising
        self._turns += 1
        if self._turns <= _FIRST_LEGS:
            slope, length_us = _FIRST_SLOPE, _LEG_SHORTEST_US + self._bits(_FIRST_LEG_SPREAD_BITS)
            length_us += _FIRST_FALL_LONGER_US * (self._turns == 1)
        else:
            slope, length_us = _SLOPES[self._bits(TABLE_BITS)], _LEG_SHORTEST_US + self._bits(_LEG_SPREAD_BITS)
        away = (self.value - self.opening) * 1000 // self.opening
        pull = max(300, min(1700, 1000 - _PULL * away if self.rising else 1000 + _PULL * away))
        part = slope * pull if self.rising else -slope * pull
        self.slope = (self.value * part << _SLOPE_SHIFT) // (_BILLION * 1_000_000)
        self.noise = self.value * noise // _BILLION
        self.until_us = now_us + length_us


class DemoValues:
    """Values of BTC, XRP and USDT in 10^-10 USDT. `advance` moves them; `of` reads one.

    A value moves in legs that alternate in direction (tens of seconds, uneven in slope and length), with noise per step
    on top, so that busy stretches are also the volatile ones. Legs towards the opening value are steeper: the market
    wanders by a few percent and never leaves the realistic range, however long it runs. XRP follows BTC in part.
    """

    def __init__(self, random: Random) -> None:
        self._bits = random.getrandbits
        self._btc = _Leg("BTC", self._bits)
        self._xrp = _Leg("XRP", self._bits)
        self._follow = 0

    def seen(self) -> ValuesSeen:
        return ValuesSeen(self._btc.seen(), self._xrp.seen(), self._follow)

    def see(self, seen: ValuesSeen) -> None:
        """Go on as others stood."""
        self._btc.see(seen.btc)
        self._xrp.see(seen.xrp)
        self._follow = seen.follow

    def of(self, asset: str) -> int:
        if asset == "BTC":
            return self._btc.value
        return self._xrp.value if asset == "XRP" else 10**UNIT_DECIMALS

    def advance(self, now_us: int, elapsed_us: int) -> None:
        """Move on to `now_us`, `elapsed_us` after the last call."""
        btc, xrp = self._btc, self._xrp
        if now_us >= btc.until_us:
            btc.turn(now_us, _BTC_NOISE)
        if now_us >= xrp.until_us:
            xrp.turn(now_us, _XRP_NOISE)
            self._follow = (xrp.value * _XRP_FOLLOWS << _FOLLOW_SHIFT) // (btc.value * 10)
        word = self._bits(64)
        move = (btc.slope * elapsed_us >> _SLOPE_SHIFT) + ((word & _COINS).bit_count() - 16) * btc.noise
        own = (xrp.slope * elapsed_us >> _SLOPE_SHIFT) + ((word >> 32).bit_count() - 16) * xrp.noise
        btc.value += move
        xrp.value += own + (move * self._follow >> _FOLLOW_SHIFT)

    def push(self, part: int) -> None:
        """Move BTC at once by `part` billionths, and XRP with it: the news behind a burst."""
        move = self._btc.value * part // _BILLION
        self._btc.value += move
        self._xrp.value += move * self._follow >> _FOLLOW_SHIFT


_SIDES = (Side.BUY, Side.SELL)
_US = 1_000
_SECOND_US = 1_000_000
#: Mean time between two happenings at rest; excitement shortens it, twice the pace at `_REST`.
_GAPS_US = exponential(36_000, at_least=1)
_REST = 1024
_EXCITEMENT_AT_BURST = 8 * _REST
_EXCITEMENT_FADES_US = 1_500_000
#: Bursts and silences come at random, this far apart in the mean; the first minute is never silent.
_BURST_GAPS_US = exponential(25 * _SECOND_US, at_least=4 * _SECOND_US)
_SILENCE_GAPS_US = exponential(80 * _SECOND_US, at_least=20 * _SECOND_US)
_FIRST_SILENCE_US = 45 * _SECOND_US
_SILENCE_SHORTEST_US = 1_200_000
_SILENCE_SPREAD_BITS = 21  # up to 2.1 s longer
#: The opening prints, so that every pair has a last price at once.
_OPENING_GAP_US = 150_000
_DELAY_NS = 2_000_000
_DELAY_SPREAD_BITS = 21  # up to 2.1 ms more
#: A burst takes this many levels and up to seven more; values follow by so many billionths and up to 65 536 more.
_FEWEST_SWEPT = 3
_PUSH = 30_000
_PUSH_SPREAD_BITS = 16
_STEPS_PER_STRETCH = 64
#: The version of the Mersenne Twister's state in Python.
_GENERATOR = 3


class DemoMarket:
    """A feed of books and tape from `start_ns`, for `duration_ns` or without end.

    `events()` begins anew at each call and always says the same for the same arguments. Raises InvalidValueError for
    an instrument it does not have, a negative seed, or a duration not above zero.
    """

    name = "demo"
    source = QuoteSource.DEMO
    synthetic = True

    def __init__(
        self,
        seed: int,
        start_ns: int,
        instruments: tuple[Instrument, ...] = KRAKEN_OFFLINE_DEFAULTS,
        duration_ns: int | None = None,
    ) -> None:
        if seed < 0:
            raise InvalidValueError(f"the seed of the demo market must be zero or above, not {seed}")
        if duration_ns is not None and duration_ns <= 0:
            raise InvalidValueError(f"the demo market must last longer than {duration_ns} ns")
        if not instruments:
            raise InvalidValueError("the demo market needs at least one instrument")
        for instrument in instruments:
            pair_of(instrument)
        self.seed = seed
        self.start_ns = start_ns
        self.instruments = instruments
        self.depth: Mapping[str, MarketDepth] = {one.symbol: MarketDepth.BOOK for one in instruments}
        self.candle_length_ns: Mapping[str, int] = {}
        self.span_ns = None if duration_ns is None else (start_ns, start_ns + duration_ns)

    @property
    def identity(self) -> str:
        steps = [f"{one.symbol} {one.tick:f} {one.lot:f}" for one in self.instruments]
        return f"{self.name} {self.seed} {self.start_ns} {self.span_ns} {steps}"

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        """Candles of before, book snapshots, then book updates, prints and heartbeats, in order of receipt."""
        marks = marks or unmarked()
        run = _Run(self.seed, self.start_ns, self.instruments)
        begun = marks.place(DemoPlace)
        if begun is not None:
            run.see(begun)
        return self._told(run, marks)

    def _told(self, run: _Run, marks: FeedMarks) -> Iterator[MarketEvent]:
        position, end_ns = marks.position, None if self.span_ns is None else self.span_ns[1]
        if not position:
            yield from self._past
            position = len(self._past)
        while True:
            if run.time_ns >= marks.due_ns:
                marks.put(position, run.seen(), run.time_ns)
            stretch = run.next_stretch()
            if end_ns is not None and stretch[-1].exchange_time_ns >= end_ns:
                break
            position += len(stretch)
            yield from stretch
        yield from (event for event in stretch if event.exchange_time_ns < end_ns)

    @cached_property
    def _past(self) -> tuple[PastCandles, ...]:
        """Told at the market's first moment, received before its first book."""
        return past_candles(self.seed, self.start_ns, self.start_ns + _DELAY_NS, self.instruments)


class DemoPlace(Struct, frozen=True):
    """How a run stands between two stretches; `random` is the state of its generator as little-endian words."""

    random: bytes
    now_us: int
    received_ns: int
    excitement: int
    burst_us: int
    silence_us: int
    values: ValuesSeen
    books: list[DemoBookSeen]


class _Run:
    """One run of the market: the clock, the pace, and who acts next."""

    def __init__(self, seed: int, start_ns: int, instruments: tuple[Instrument, ...]) -> None:
        self._random = random = Random(seed)
        self._bits = random.getrandbits
        self._start_ns = start_ns
        self._now_us = 0
        self._received_ns = 0
        self._excitement = 0
        self._burst_us = _BURST_GAPS_US[self._bits(TABLE_BITS)]
        self._silence_us = _FIRST_SILENCE_US + _SILENCE_GAPS_US[self._bits(TABLE_BITS)]
        self._values = DemoValues(random)
        self._out: list[MarketEvent] = []
        self._books = [DemoBook(one, pair_of(one), random, self._out) for one in instruments]
        self._turns = tuple(book for book in self._books for _ in range(book.share))

    @property
    def time_ns(self) -> int:
        """Market time of what was told last."""
        return self._start_ns + self._now_us * _US

    def seen(self) -> DemoPlace:
        words = self._random.getstate()[1]
        books = [book.seen() for book in self._books]
        return DemoPlace(
            struct.pack(f"<{len(words)}I", *words),
            self._now_us,
            self._received_ns,
            self._excitement,
            self._burst_us,
            self._silence_us,
            self._values.seen(),
            books,
        )

    def see(self, seen: DemoPlace) -> None:
        """Go on as another run stood. Raises InvalidValueError where that cannot be."""
        try:
            words = tuple(word for (word,) in struct.iter_unpack("<I", seen.random))
            self._random.setstate((_GENERATOR, words, None))
            for book, book_seen in zip(self._books, seen.books, strict=True):
                book.see(book_seen)
        except (ValueError, struct.error) as error:
            raise InvalidValueError(f"the demo market cannot go on from where it was ({error})") from error
        self._now_us, self._received_ns, self._excitement = seen.now_us, seen.received_ns, seen.excitement
        self._burst_us, self._silence_us = seen.burst_us, seen.silence_us
        self._values.see(seen.values)

    def next_stretch(self) -> list[MarketEvent]:
        """The next events, at least one. The list is the same object every time: use it before asking again."""
        self._out.clear()
        if not self._now_us:
            self._opening()
        for _ in range(_STEPS_PER_STRETCH):
            self._step()
        return self._out

    def _step(self) -> None:
        bits = self._bits
        elapsed_us = _GAPS_US[bits(TABLE_BITS)] * _REST // (_REST + self._excitement) + 1
        if self._now_us >= self._silence_us:
            elapsed_us = _SILENCE_SHORTEST_US + bits(_SILENCE_SPREAD_BITS)
            self._silence(elapsed_us)
        if self._excitement:
            self._excitement -= self._excitement * min(elapsed_us, _EXCITEMENT_FADES_US) // _EXCITEMENT_FADES_US
        self._now_us = now_us = self._now_us + elapsed_us
        self._values.advance(now_us, elapsed_us)
        book = self._turns[bits(16) % len(self._turns)].at(*self._times())
        if now_us >= self._burst_us:
            self._burst(book)
        else:
            book.act(self._fair(book))

    def _fair(self, book: DemoBook) -> int:
        return book.fair(self._values.of(book.base), self._values.of(book.quote))

    def _times(self) -> tuple[int, int]:
        """Now at the exchange, and when we learn of it: some milliseconds later, never out of order."""
        time_ns = self._start_ns + self._now_us * _US
        self._received_ns = max(self._received_ns, time_ns + _DELAY_NS + self._bits(_DELAY_SPREAD_BITS))
        return time_ns, self._received_ns

    def _opening(self) -> None:
        """Snapshots at once, then one print in each pair."""
        for book in self._books:
            book.at(*self._times()).open(self._fair(book))
        for book in self._books:
            self._now_us += _OPENING_GAP_US
            book.at(*self._times()).trade(_SIDES[self._bits(1)])

    def _silence(self, length_us: int) -> None:
        """Nothing but a heartbeat every second for a while; the caller moves the clock."""
        begin_us = self._now_us
        for second in range(1, length_us // _SECOND_US + 1):
            self._now_us = begin_us + second * _SECOND_US
            self._out.append(Heartbeat(*self._times()))
        self._now_us = begin_us
        self._silence_us = begin_us + length_us + _SILENCE_GAPS_US[self._bits(TABLE_BITS)]

    def _burst(self, book: DemoBook) -> None:
        """Somebody takes several levels, the values follow, and everybody wakes up."""
        taker = _SIDES[self._bits(1)]
        book.sweep(taker, _FEWEST_SWEPT + self._bits(3))
        push = _PUSH + self._bits(_PUSH_SPREAD_BITS)
        self._values.push(-push if taker is Side.SELL else push)
        self._excitement += _EXCITEMENT_AT_BURST
        self._burst_us = self._now_us + _BURST_GAPS_US[self._bits(TABLE_BITS)]
