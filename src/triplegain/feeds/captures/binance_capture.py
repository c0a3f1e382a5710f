"""Recorded Binance spot market: depth snapshot and diffs, best quotes and trades, in one or more .gz parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent
from triplegain.domain.values import usable_time
from triplegain.feeds.captures.binance_book import BinanceBook, BinanceSeen
from triplegain.feeds.captures.binance_messages import BinanceMessage, decode_line, exchange_time_ns
from triplegain.feeds.captures.capture import Capture, VerifyReport, clock_offset_ns
from triplegain.feeds.captures.instruments import capture_instrument, symbol_of
from triplegain.feeds.captures.rows import LinePlace, Lines, lines
from triplegain.market.clock_offset import Bucket, ClockOffset
from triplegain.market.feed import CaptureError
from triplegain.market.feed_marks import FeedMarks, unmarked

FORMAT = "binance-l2"


class BinancePlace(msgspec.Struct, frozen=True):
    """Number of the part, and where in it; the book there."""

    part: int
    lines: LinePlace
    book: BinanceSeen
    offset: tuple[Bucket, ...]


class _Extent(NamedTuple):
    """How many lines a part has, and the recorder's time of the last."""

    lines: int
    last_line_ns: int


class BinanceCapture:
    """One recording; `paths` are its parts in the order of their first line."""

    format = FORMAT
    depth = MarketDepth.BOOK
    candle_length_ns = None

    def __init__(self, paths: tuple[Path, ...], extents: Mapping[Path, _Extent] | None = None) -> None:
        self.paths = paths
        #: Of the parts that were read already.
        self._extents = dict(extents or {})

    @cached_property
    def instrument(self) -> Instrument:
        for path, number, _, name, _ in self._messages():
            if name:
                symbol = symbol_of(name)
                if symbol is None:
                    raise CaptureError(path, f"{name!r} is no known pair", number)
                return capture_instrument(symbol, "binance")
        raise CaptureError(self.paths[0], "holds no message of a stream")

    @property
    def rows(self) -> int:
        return sum(self._extent(path).lines for path in self.paths)

    @property
    def span_ns(self) -> tuple[int, int]:
        return self.first_line_ns + self._clock_offset_ns, self.last_line_ns + self._clock_offset_ns

    @cached_property
    def first_line_ns(self) -> int:
        """Recorder's time of the first line: it orders the parts."""
        return next(self._messages())[2]

    @property
    def last_line_ns(self) -> int:
        return self._extent(self.paths[-1]).last_line_ns

    def joined(self, later: BinanceCapture) -> BinanceCapture:
        """One recording made of two parts."""
        return BinanceCapture(self.paths + later.paths, self._extents | later._extents)

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        marks, book = marks or unmarked(), BinanceBook(self.instrument)
        begun = marks.place(BinancePlace)
        if begun is not None:
            book.see(begun.book)
        return self._follow(book, marks, begun)

    def verify(self) -> VerifyReport:
        book = BinanceBook(self.instrument)
        for _ in self._follow(book, unmarked()):
            pass
        return VerifyReport(book.updates, book.mismatches, book.gaps)

    def _follow(self, book: BinanceBook, marks: FeedMarks, begun: BinancePlace | None = None) -> Iterator[MarketEvent]:
        offset = ClockOffset(self._clock_offset_ns, () if begun is None else begun.offset)
        position = marks.position
        first, after = (begun.part, begun.lines) if begun is not None else (0, None)
        for part, path in enumerate(self.paths[first:], first):
            text = Lines(path, after if part == first else None)
            for number, line in text:
                clock, _, message = _decoded(path, number, line)
                if message is None:
                    continue
                if told_ns := exchange_time_ns(message):
                    offset.learn(told_ns, clock)
                try:
                    events = book.on_message(message, usable_time(clock + offset.value))
                except ValueError as error:
                    raise CaptureError(path, str(error), number) from error
                if not events:
                    continue
                yield from events
                position += len(events)
                if (time_ns := events[-1].exchange_time_ns) >= marks.due_ns:
                    marks.put(position, BinancePlace(part, text.place, book.seen(), offset.buckets), time_ns)
        if not book.has_snapshot:
            raise CaptureError(self.paths[0], "holds no book snapshot: open the folder that holds the first part too")

    @cached_property
    def _clock_offset_ns(self) -> int:
        both = ((exchange_time_ns(message), clock) for _, _, clock, _, message in self._messages())
        return clock_offset_ns((exchange, clock) for exchange, clock in both if exchange)

    def _extent(self, path: Path) -> _Extent:
        """Of a part. Reads the whole of it once."""
        found = self._extents.get(path)
        if found is None:
            number, line = Lines(path).count()
            found = self._extents[path] = _Extent(number, _decoded(path, number, line)[0])
        return found

    def _messages(self) -> Iterator[tuple[Path, int, int, str, BinanceMessage | None]]:
        """File and line, and what stands in it; see `decode_line`."""
        return ((path, number, *_decoded(path, number, line)) for path, number, line in self._lines())

    def _lines(self) -> Iterator[tuple[Path, int, bytes]]:
        return ((path, number, line) for path in self.paths for number, line in lines(path))


def _decoded(path: Path, number: int, line: bytes) -> tuple[int, str, BinanceMessage | None]:
    try:
        return decode_line(line)
    except (ValueError, RecursionError) as error:
        raise CaptureError(path, f"is damaged here ({error})", number) from error


def recognise_binance(path: Path, head: bytes) -> Capture | None:
    """A capture if a line begins with a time and a message of a stream."""
    clock, _, text = head.partition(b" ")
    if clock.isdigit() and text.startswith((b'{"stream":', b'{"lastUpdateId":')):
        return BinanceCapture((path,))
    return None
