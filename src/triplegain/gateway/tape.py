"""The trades of one served instrument that have happened so far, over any number of laps of its recording."""

from __future__ import annotations

from bisect import bisect_right

from triplegain.domain.market import PublicTrade
from triplegain.domain.orders import Side
from triplegain.venues.kraken.wire.writer import TapeTrade


class Tape:
    """Numbers trades without holes and gives each a nanosecond of its own, as Kraken does.

    Only the first lap is kept: a later one is the same trades, later. `lap_ns` is the length of a lap, known once the
    first has ended.
    """

    def __init__(self) -> None:
        self._first_number = 0
        self._times: list[int] = []
        self._rows: list[tuple[int, int, str]] = []
        self._lap_ns = 0
        #: Trades so far.
        self.count = 0

    def add(self, trade: PublicTrade) -> TapeTrade:
        """The next recorded trade as it is told."""
        number = int(trade.trade_id) if trade.trade_id.isdecimal() else 1
        side = "buy" if trade.side is Side.BUY else "sell"
        return self.take(TapeTrade(trade.exchange_time_ns, trade.price, trade.quantity, side, number))

    def take(self, trade: TapeTrade) -> TapeTrade:
        """The next trade with its own number and time."""
        if not self._lap_ns:
            if not self._times:
                self._first_number = trade.number
            self._times.append(max(trade.time_ns, self._times[-1] + 1 if self._times else 0))
            self._rows.append((trade.price, trade.quantity, trade.side))
        self.count += 1
        return self[self.count - 1]

    def close_lap(self, lap_ns: int) -> None:
        """The recording starts again, `lap_ns` after its last start."""
        if not self._lap_ns and self._times:
            self._lap_ns = lap_ns

    def __getitem__(self, index: int) -> TapeTrade:
        """The trade of this index, counted from the first of all."""
        lap, place = divmod(index, len(self._times))
        price, quantity, side = self._rows[place]
        time_ns = self._times[place] + lap * self._lap_ns
        return TapeTrade(time_ns, price, quantity, side, self._first_number + index)

    def last(self, count: int) -> list[TapeTrade]:
        """The newest trades, oldest first."""
        return [self[index] for index in range(max(0, self.count - count), self.count)]

    def after(self, since_ns: int, count: int) -> list[TapeTrade]:
        """Trades later than a time, oldest first, as many as a page holds."""
        if not self.count:
            return []
        laps = max(0, (since_ns - self._times[0]) // self._lap_ns) if self._lap_ns else 0
        first = laps * len(self._times) + bisect_right(self._times, since_ns - laps * self._lap_ns)
        return [self[index] for index in range(first, min(first + count, self.count))]
