"""The hidden values behind the demo market: what one BTC and one XRP are worth, moment by moment.

A value moves in legs that alternate in direction (tens of seconds, uneven in slope and length), with noise per step on
top, so that busy stretches are also the volatile ones. Legs towards the opening value are steeper: the market wanders
by a few percent and never leaves the realistic range, however long it runs. XRP follows BTC in part.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from triplegain.feeds.demo.path import OPENING_VALUES, TABLE_BITS, lognormal

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
    """Values of BTC, XRP and USDT in 10^-10 USDT. `advance` moves them; `of` reads one."""

    def __init__(self, random: Random) -> None:
        self._bits = random.getrandbits
        self._btc = _Leg("BTC", self._bits)
        self._xrp = _Leg("XRP", self._bits)
        self._follow = 0

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
