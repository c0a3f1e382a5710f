"""Candles from trades, or from finer candles, one event at a time."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from triplegain.domain.clock import DAY_NS, NEVER
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import Candle, PublicTrade

#: What is built from trades begins anew after so much silence: it would be flat for longer than anybody looks back.
LONGEST_SILENCE_NS = DAY_NS


#: Open, high, low, close in ticks.
Prices = tuple[int, int, int, int]


def grown(prices: Prices, more: Prices, *, is_newest: bool) -> Prices:
    """An open candle's prices with those of a trade or finer candle of its interval; the last price is the newest's."""
    first, highest, lowest, last = prices
    _, high, low, close = more
    return first, max(highest, high), min(lowest, low), close if is_newest else last


def empty_candles(before: Candle, until_ns: int, most: int | None = None) -> list[Candle]:
    """Flat candles without volume after `before` up to `until_ns`; none where more than `most` are missing, which is a
    hole. None: it is known that nobody traded, and up to a day of it is told.

    Kraken publishes no candle for an interval without trades: the price then stands still at the last close.
    """
    length = before.length_ns
    start = before.close_time_ns
    if most is None:
        most = max(LONGEST_SILENCE_NS // length, 1)
    if not 0 < until_ns - start <= most * length:
        return []
    close = before.close
    return [
        Candle(before.symbol, time, length, close, close, close, close, 0)
        for time in range(start, until_ns - length + 1, length)
    ]


class CandleProgress(Struct, frozen=True, omit_defaults=True):
    """The unfinished candle (no prices before its first trade; volume in lots) and the last one that closed. Of a
    builder that takes candles also the close of the last one."""

    open_time_ns: int
    prices: Prices | None
    volume: Decimal
    trades: int
    last: Candle | None
    newest_ns: int = 0
    fed_to_ns: int | None = None


class CandleBuilder:
    """Builds candles [t, t + length), t a multiple of the length since 1970.

    Every method returns the candles that are finished by then, oldest first; intervals without trades after the
    first one are flat.
    """

    def __init__(self, symbol: str, length_ns: int) -> None:
        if length_ns <= 0:
            raise InvalidValueError(f"a candle must have a length above zero, not {length_ns} ns")
        self.symbol = symbol
        self.length_ns = length_ns
        self._open_time_ns = 0
        #: Open, high, low and close of the unfinished candle; None before its first trade.
        self._prices: Prices | None = None
        self._volume = 0
        self._trades = 0
        #: Moment of the newest trade: the last price is its.
        self._newest_ns = 0
        self._last: Candle | None = None
        #: Close of the last candle that was taken.
        self._fed_to_ns: int | None = None

    @property
    def closes_ns(self) -> int:
        """From when on time or a trade closes a candle."""
        if self._prices is not None:
            return self._open_time_ns + self.length_ns
        return NEVER if self._last is None else self._last.close_time_ns + self.length_ns

    def on_trade(self, trade: PublicTrade) -> list[Candle]:
        """Take one trade; a trade of a later interval first closes the earlier ones. One that comes when its interval
        is closed already is passed over."""
        time_ns, price = trade.exchange_time_ns, trade.price
        closed = self.advance_to(time_ns)
        self.add(time_ns, (price, price, price, price), trade.quantity, 1)
        return closed

    @property
    def takes_from_ns(self) -> int:
        """Earlier trades are passed over: of trades from there on several may be added at once, where none of them
        closes a candle."""
        if self._prices is not None:
            return self._open_time_ns
        return max(self._open_time_ns if self._last is None else self._last.close_time_ns, self._newest_ns)

    def add(self, time_ns: int, prices: Prices, volume: int, trades: int) -> None:
        """Trades of the interval as it is, up to the newest of that time."""
        begins_ns = self._open_time_ns if self._prices is not None or self._last is None else self._last.close_time_ns
        if time_ns >= begins_ns:
            self._add(time_ns, prices, volume, trades)

    def on_candle(self, candle: Candle) -> list[Candle]:
        """Take a finished candle whose length divides ours. One that does not follow the one before comes after a hole,
        of which nothing is made up: a candle that lies in it is never told, one that it cuts as far as it is known."""
        if self.length_ns % candle.length_ns:
            raise InvalidValueError(f"candles of {candle.length_ns} ns do not add up to {self.length_ns} ns")
        closed: list[Candle] = []
        if self._fed_to_ns is not None and candle.open_time_ns > self._fed_to_ns:
            self._finish(candle.open_time_ns, closed)
            self._last = None
        self._fed_to_ns = candle.close_time_ns
        closed += self.advance_to(candle.open_time_ns)
        prices = (candle.open, candle.high, candle.low, candle.close)
        self._add(candle.open_time_ns, prices, candle.volume, candle.trades)
        return closed + self.advance_to(candle.close_time_ns)

    def advance_to(self, time_ns: int) -> list[Candle]:
        """Time passes: everything that ends by then is finished."""
        closed: list[Candle] = []
        self._finish(time_ns, closed)
        if self._last is not None and self._prices is None and time_ns >= self._last.close_time_ns + self.length_ns:
            flat = empty_candles(self._last, time_ns - time_ns % self.length_ns)
            if flat:
                self._last = flat[-1]
                closed += flat
            else:
                self._last = None
        return closed

    def _finish(self, time_ns: int, closed: list[Candle]) -> None:
        if self._prices is not None and time_ns >= self._open_time_ns + self.length_ns:
            self._last = Candle(
                self.symbol, self._open_time_ns, self.length_ns, *self._prices, self._volume, self._trades
            )
            self._prices = None
            self._volume = self._trades = 0
            closed.append(self._last)

    def _add(self, time_ns: int, prices: Prices, volume: int, trades: int) -> None:
        if self._prices is None:
            self._open_time_ns = time_ns - time_ns % self.length_ns
            self._prices = prices
        else:
            self._prices = grown(self._prices, prices, is_newest=time_ns >= self._newest_ns)
        self._newest_ns = max(self._newest_ns, time_ns)
        self._volume += volume
        self._trades += trades

    def begin_after(self, last: Candle, unfinished: Candle | None) -> None:
        """Go on from candles that somebody else has built: the last closed one, and the one under way."""
        self._last, self._prices, self._volume, self._trades = last, None, 0, 0
        if unfinished is not None:
            self._open_time_ns = unfinished.open_time_ns
            self._prices = (unfinished.open, unfinished.high, unfinished.low, unfinished.close)
            self._volume, self._trades = unfinished.volume, unfinished.trades

    def state(self) -> CandleProgress:
        # Only time and close of the last one matter to the candles that follow.
        last = None if self._last is None else replace(self._last, volume=0)
        under_way = self._open_time_ns, self._prices, Decimal(self._volume), self._trades
        return CandleProgress(*under_way, last, self._newest_ns, self._fed_to_ns)

    def restore(self, state: CandleProgress) -> None:
        """Go on where `state` was taken."""
        self._open_time_ns, self._prices, self._last = state.open_time_ns, state.prices, state.last
        self._volume, self._trades, self._newest_ns = int(state.volume), state.trades, state.newest_ns
        self._fed_to_ns = state.fed_to_ns
