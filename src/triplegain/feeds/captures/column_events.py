"""The events of a capture as columns, told one by one or passed over as rows; places are put on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from triplegain.domain.event_rows import NO_ROWS, EventRows
from triplegain.domain.market import MarketEvent
from triplegain.feeds.captures.decoded_file import DamagedFileError
from triplegain.feeds.captures.event_columns import EventColumns, Place
from triplegain.market.feed_marks import FeedMarks
from triplegain.market.row_stream import RowStream


class ColumnEvents(RowStream):
    """From where `marks` begin; each of the chunks comes with the number of events before it. `again` tells the events
    behind so many that were told already, where a chunk is damaged or has a number that no column holds."""

    def __init__(
        self,
        chunks: Iterator[tuple[int, EventColumns]],
        marks: FeedMarks,
        again: Callable[[int], Iterator[MarketEvent]],
    ) -> None:
        self._marks = marks
        self._again = again
        self._begun_at = marks.position
        self._chunks = chunks
        #: Behind the last chunk, or the first that cannot be told.
        self._rest: Iterator[MarketEvent] = iter(())
        self._is_over = False
        self._rows = NO_ROWS
        self._count = 0
        #: The next one in the chunk, and the events before the chunk.
        self._next = 0
        self._before = marks.position
        #: Those of the chunk that nobody has come to yet, in their order.
        self._places: list[Place] = []

    def __next__(self) -> MarketEvent:
        while self._next == self._count:
            if not self._turn():
                return next(self._rest)
        event = self._rows.event(self._next)
        self.pass_over(1)
        return event

    def here(self) -> tuple[EventRows, int] | None:
        while self._next == self._count:
            if not self._turn():
                return None
        return (self._rows, self._next) if self._rows.is_of_one else None

    def pass_over(self, count: int) -> None:
        self._next += count
        # A place is put before what follows it is told.
        while self._places and self._places[0].told < self._next:
            self._put(self._places.pop(0))

    def _put(self, place: Place) -> None:
        if place.time_ns >= self._marks.due_ns:
            self._marks.put(place.position, msgspec.Raw(place.form), place.time_ns)

    def _turn(self) -> bool:
        """To the next chunk; False where there is none."""
        if self._is_over:
            return False
        for place in self._places:
            self._put(place)
        position = self._before + self._next
        self._places = []
        try:
            chunk = next(self._chunks, None)
            if chunk is not None:
                before, columns = chunk
                self._rows, self._count = columns.rows_of(), len(columns)
                self._before, self._next = before, position - before
                self._places = [place for place in columns.places if place.told >= self._next]
                return True
        except (DamagedFileError, OverflowError):
            self._rest = self._again(position - self._begun_at)
        self._is_over, self._rows, self._before, self._next, self._count = True, NO_ROWS, position, 0, 0
        return False
