"""Market events as columns: what a decoder has told, in the fewest numbers from which the very same events come again.

A message has its kind, its two times, its symbol and one number (of a trade), and owns the rows up to `ends`. A row is
a pair of whole numbers: (price in ticks, lots) of a level, bids first, of a quote or of a trade; a candle is four of
them. Prices can so be looked through by the thousand without making a single event. What is seldom (conditions, signs
of life, odd names of trades) is kept as it is, beside the columns.

All columns are little endian. Numbers beyond 64 bits raise OverflowError: such events are told and not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.event_rows import (
    BOOK,
    BOUGHT,
    CANDLE,
    NO_NUMBER,
    OTHER,
    QUOTE,
    SNAPSHOT,
    SOLD,
    EventRows,
    RowArrays,
)
from triplegain.domain.market import BestQuote, BookUpdate, CandleClosed, Level, MarketEvent, PublicTrade
from triplegain.domain.orders import Side
from triplegain.domain.values import Count

#: The columns in the order in which they are written.
_COLUMNS = {
    "kinds": "u1",
    "symbols": "<u2",
    "times": "<i8",
    "received": "<i8",
    "numbers": "<i8",
    "ends": "<u4",
    "bids": "<u4",
    "depths": "<u4",
}
_EVENTS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(MarketEvent)}


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Put after the first `told` events of a chunk; see `FeedMarks.put`. `form` is JSON."""

    told: Count
    position: Count
    time_ns: Count
    form: bytes


class _Aside(msgspec.Struct, frozen=True, array_like=True):
    """What stands in no column; the number of a message of the kind OTHER counts in `others`."""

    messages: Count
    rows: Count
    symbols: list[str]
    others: list[tuple[str, msgspec.Raw]]
    places: list[Place]


_aside = msgspec.msgpack.Decoder(_Aside)


class EventColumns:
    """A chunk of events. `rows` has two columns; the other arrays have an entry a message."""

    def __init__(self, arrays: dict[str, NDArray[Any]], rows: NDArray[np.int64], aside: _Aside) -> None:
        self.kinds, self.symbols, self.times = arrays["kinds"], arrays["symbols"], arrays["times"]
        self.received, self.numbers, self.ends = arrays["received"], arrays["numbers"], arrays["ends"]
        self.bids, self.depths = arrays["bids"], arrays["depths"]
        self.rows = rows
        self.names = aside.symbols
        self.places = aside.places
        self._others = aside.others

    def __len__(self) -> int:
        return len(self.kinds)

    def rows_of(self) -> EventRows:
        """The same as plain numbers, from which each event can be made that was written."""
        is_of_one, prices, lots = len({*self.names} - {""}) == 1, self.rows[:, 0], self.rows[:, 1]
        # No decoder lets a crossed book through.
        arrays = RowArrays(self.kinds, self.times, self.ends, self.bids, self.depths, prices, lots)
        return EventRows(
            is_of_one,
            [self.names[number] for number in self.symbols.tolist()],
            self.kinds.tolist(),
            self.times.tolist(),
            self.received.tolist(),
            self.numbers.tolist(),
            self.ends.tolist(),
            self.bids.tolist(),
            self.depths.tolist(),
            prices.tolist(),
            lots.tolist(),
            self._other,
            arrays if is_of_one else None,
        )

    def events(self) -> Iterator[MarketEvent]:
        """One after the other: so many at once that nobody has looked at yet would keep the collector of garbage
        busy."""
        return map(self.rows_of().event, range(len(self)))

    def _other(self, message: int) -> MarketEvent:
        kind, form = self._others[int(self.numbers[message])]
        event: MarketEvent = msgspec.msgpack.decode(form, type=_EVENTS[kind])
        return event


def written(events: Sequence[MarketEvent], places: Sequence[Place] = ()) -> bytes:
    """The events of a chunk. Raises OverflowError for numbers that no column holds."""
    columns: dict[str, list[int]] = {name: [] for name in _COLUMNS}
    add_kind, add_number = columns["kinds"].append, columns["numbers"].append
    add_bids, add_end = columns["bids"].append, columns["ends"].append
    rows: list[Level] = []
    others: list[tuple[str, msgspec.Raw]] = []
    for event in events:
        number, own_bids = NO_NUMBER, 0
        match event:
            case BookUpdate(bids=bids):
                kind, own_bids = (SNAPSHOT if event.snapshot else BOOK), len(bids)
                rows += bids
                rows += event.asks
            case PublicTrade(trade_id=trade_id) if not trade_id or _is_number(trade_id):
                kind, number = (BOUGHT if event.side is Side.BUY else SOLD), int(trade_id or NO_NUMBER)
                rows.append((event.price, event.quantity))
            case BestQuote():
                kind = QUOTE
                rows += (event.bid, event.ask)
            case CandleClosed(candle=own) if own.symbol == event.symbol:
                kind = CANDLE
                rows += ((own.open_time_ns, own.length_ns), (own.open, own.high), (own.low, own.close))
                rows.append((own.volume, own.trades))
            case _:
                kind, number = OTHER, len(others)
                others.append((type(event).__name__, msgspec.Raw(msgspec.msgpack.encode(event))))
        add_kind(kind)
        add_number(number)
        add_bids(own_bids)
        add_end(len(rows))
    names: dict[str, int] = {}
    columns["symbols"] = [names.setdefault(event.symbol, len(names)) for event in events]
    columns["depths"] = [event.depth if isinstance(event, BookUpdate) else 0 for event in events]
    columns["received"] = [event.received_at_ns for event in events]
    columns["times"] = [event.exchange_time_ns for event in events]
    aside = _Aside(len(events), len(rows), list(names), others, list(places))
    parts = [np.array(values, _COLUMNS[name]).tobytes() for name, values in columns.items()]
    parts.append(np.fromiter(chain.from_iterable(rows), "<i8", 2 * len(rows)).tobytes())
    parts.append(msgspec.msgpack.encode(aside))
    return b"".join((*parts, len(parts[-1]).to_bytes(8, "little")))


def read(form: bytes) -> EventColumns:
    """What `written` has made. Raises InvalidValueError for anything else."""
    end = len(form) - 8
    try:
        start = end - int.from_bytes(form[end:], "little")
        aside = _aside.decode(form[start:end])
        arrays: dict[str, NDArray[Any]] = {}
        place = 0
        for name, dtype in _COLUMNS.items():
            arrays[name] = np.frombuffer(form, dtype, aside.messages, place)
            place += arrays[name].nbytes
        rows = np.frombuffer(form, "<i8", 2 * aside.rows, place).reshape(-1, 2)
        if place + rows.nbytes != start:
            raise ValueError("there are more bytes than numbers")
        _check(arrays, rows, aside)
    except (ValueError, KeyError, msgspec.DecodeError) as error:
        raise InvalidValueError(f"are no columns of events ({error})") from error
    return EventColumns(arrays, rows, aside)


#: Rows of a message, by kind; a book has any number.
_ROWS_OF = np.array([0, 0, 2, 1, 1, 4, 0])


def _check(arrays: dict[str, NDArray[Any]], rows: NDArray[np.int64], aside: _Aside) -> None:
    """That events can be made of all of it, whoever wrote it. Raises ValueError, KeyError, msgspec.DecodeError."""
    kinds, ends, numbers = arrays["kinds"], arrays["ends"].astype(np.int64), arrays["numbers"]
    counts = np.diff(ends, prepend=0)
    if (kinds > OTHER).any() or (arrays["symbols"] >= len(aside.symbols)).any():
        raise ValueError("a message of no kind or no symbol")
    is_book = kinds <= SNAPSHOT
    if (counts < 0).any() or (ends[-1:] != aside.rows).any() or (counts != _ROWS_OF[kinds])[~is_book].any():
        raise ValueError("rows of no message")
    if (arrays["bids"] > np.where(is_book, counts, 0)).any():
        raise ValueError("more bids than levels")
    if (rows < 0).any() or (arrays["times"] < 0).any() or (arrays["received"] < 0).any():
        raise ValueError("a number below zero")
    others = numbers[kinds == OTHER]
    if (others < 0).any() or (others >= len(aside.others)).any():
        raise ValueError("a message that is not there")
    for kind, form in aside.others:
        msgspec.msgpack.decode(form, type=_EVENTS[kind])
    told = [place.told for place in aside.places]
    if told != sorted(told) or told[-1:] > [aside.messages]:
        raise ValueError("a place of no message")


def _is_number(trade_id: str) -> bool:
    """Whether the number says all there is to the name."""
    return trade_id.isascii() and trade_id.isdecimal() and (trade_id[0] != "0" or trade_id == "0")
