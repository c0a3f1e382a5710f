"""Messages of one market as plain numbers: whoever looks for the few that concern somebody need not make the others.

A message has a kind, two times and the rows up to its end, which begin where those of the message before end; `bids` of
them are bids, the others asks. A row is a price in ticks and a quantity in lots: a level of a book, a quote (the bid,
then the ask), or a trade. A candle is four: (open time, length), (open, high), (low, close), (volume, trades).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from triplegain.domain.market import BestQuote, BookUpdate, Candle, CandleClosed, MarketEvent, PublicTrade
from triplegain.domain.orders import Side

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BOOK, SNAPSHOT, QUOTE, BOUGHT, SOLD, CANDLE, OTHER = range(7)
#: The number of a message that has none.
NO_NUMBER = -1


@dataclass(frozen=True, slots=True)
class RowArrays:
    """Some of them as arrays, for whoever looks at many at once."""

    kinds: NDArray[Any]
    times: NDArray[np.int64]
    ends: NDArray[Any]
    bids: NDArray[Any]
    depths: NDArray[Any]
    prices: NDArray[np.int64]
    lots: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EventRows:
    """`is_of_one`: all messages with rows are of one market. `symbols` and all up to `depths` have an entry a message;
    `depths` are those that books are cut to (0: to none), `numbers` those of trades.

    `other` makes the message of a kind that has no rows of its own. `arrays` are there of one market, whose decoder
    lets no message through that leaves a crossed book.
    """

    is_of_one: bool
    symbols: Sequence[str]
    kinds: Sequence[int]
    times: Sequence[int]
    received: Sequence[int]
    numbers: Sequence[int]
    ends: Sequence[int]
    bids: Sequence[int]
    depths: Sequence[int]
    prices: Sequence[int]
    lots: Sequence[int]
    other: Callable[[int], MarketEvent]
    arrays: RowArrays | None = None

    def __len__(self) -> int:
        return len(self.kinds)

    def begin(self, number: int) -> int:
        """The first row of a message."""
        return self.ends[number - 1] if number else 0

    def event(self, number: int) -> MarketEvent:
        """The message as an event."""
        kind, start, end = self.kinds[number], self.begin(number), self.ends[number]
        told = self.symbols[number], self.times[number], self.received[number]
        if kind in (BOOK, SNAPSHOT):
            middle = start + self.bids[number]
            bids, asks = self._levels(start, middle), self._levels(middle, end)
            return BookUpdate(*told, bids, asks, kind == SNAPSHOT, self.depths[number])
        if kind == QUOTE:
            bid, ask = self._levels(start, end)
            return BestQuote(*told, bid, ask)
        if kind in (BOUGHT, SOLD):
            trade_id = "" if self.numbers[number] == NO_NUMBER else str(self.numbers[number])
            side = Side.BUY if kind == BOUGHT else Side.SELL
            return PublicTrade(*told, self.prices[start], self.lots[start], side, trade_id)
        if kind == CANDLE:
            opened, opens, low, volume = self.prices[start:end]
            length, high, close, trades = self.lots[start:end]
            candle = Candle(self.symbols[number], opened, length, opens, high, low, close, volume, trades)
            return CandleClosed(*told, candle)
        return self.other(number)

    def _levels(self, start: int, end: int) -> tuple[tuple[int, int], ...]:
        if start == end:
            return ()
        return tuple(zip(self.prices[start:end], self.lots[start:end], strict=True))


def _nothing(number: int) -> MarketEvent:
    raise IndexError(f"there is no message {number}")


NO_ROWS = EventRows(False, (), (), (), (), (), (), (), (), (), (), _nothing)
