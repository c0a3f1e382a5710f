"""Recorded Kraken WebSocket v2 books: `{"init", "updates"}` JSON, and one verbatim frame a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

import msgspec

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import BookUpdate, MarketDepth, MarketEvent
from triplegain.domain.values import usable_time
from triplegain.feeds.captures.capture import OFFSET_TIMES, Capture, VerifyReport, clock_offset_ns
from triplegain.feeds.captures.instruments import capture_instrument
from triplegain.feeds.captures.rows import LinePlace, Lines, lines
from triplegain.market.feed import CaptureError
from triplegain.market.feed_marks import FeedMarks, unmarked
from triplegain.market.timestamps import rfc3339_ns
from triplegain.venues.kraken.feed_line import FrameLine
from triplegain.venues.kraken.pairs import instruments_of, pairs_of
from triplegain.venues.kraken.stream import KrakenStream, StreamSeen, StreamSettings
from triplegain.venues.kraken.wire.frames import Outline, read_outline

JSON_FORMAT = "kraken-v2-json"
FRAMES_FORMAT = "kraken-v2-frames"
_ASSET_PAIRS = "/0/public/AssetPairs"

#: This format is one document, which is read whole.
_DOCUMENT_BYTES_MAX = 512 * 2**20

#: Lines read to compare the recorder's clock with the exchange's.
_OFFSET_LINES = 1000

#: Channels whose messages are of an instrument, of which a file has one.
_OF_ONE = ("book", "trade")
_NO_BOOK = "holds no book snapshot whose checksum is right"

#: The depth of the book is what is acknowledged, or else shown; what comes by one connection is never silent on it.
_SETTINGS = StreamSettings(book_depth=0, stale_after_ns=SECOND_NS)


class _Document(msgspec.Struct):
    init: msgspec.Raw
    updates: list[msgspec.Raw]


class _Line(msgspec.Struct):
    frame: msgspec.Raw = msgspec.Raw(b"")
    rx_ns: int = 0
    dir: str = "rx"
    path: str = ""
    reply: msgspec.Raw = msgspec.Raw(b"")


_document = msgspec.json.Decoder(_Document)
_line = msgspec.json.Decoder(_Line)

#: (record number, frame, recorder's clock in nanoseconds, 0 where it says none)
_Record = tuple[int, bytes, int]


class KrakenPlace(msgspec.Struct, frozen=True):
    """After which record, when that was received, and how the stream stands there."""

    after: LinePlace
    received_ns: int
    stream: StreamSeen


class KrakenCapture:
    """One instrument's recorded v2 frames, read as those of the exchange itself are."""

    depth = MarketDepth.BOOK
    candle_length_ns = None

    def __init__(self, path: Path, format: str) -> None:
        self.paths = (path,)
        self.format = format

    @cached_property
    def instrument(self) -> Instrument:
        for number, frame, _ in self._records():
            told = _outline(frame)
            if told.channel in _OF_ONE and told.data:
                try:
                    return self._named.get(told.data[0].symbol) or capture_instrument(told.data[0].symbol)
                except InvalidValueError as error:
                    raise CaptureError(self.paths[0], str(error), number) from error
        raise CaptureError(self.paths[0], _NO_BOOK)

    @cached_property
    def rows(self) -> int:
        return sum(1 for _ in self._records())

    @cached_property
    def span_ns(self) -> tuple[int, int]:
        first = last = 0
        for event in self.events():
            last = max(last, event.exchange_time_ns)
            first = first or last
        if not first:
            raise CaptureError(self.paths[0], _NO_BOOK)
        return first, last

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        marks, stream = marks or unmarked(), self._stream()
        begun = marks.place(KrakenPlace)
        if begun is not None:
            stream.see(begun.stream)
        return self._follow(stream, marks, begun)

    def verify(self) -> VerifyReport:
        stream = self._stream()
        for _ in self._follow(stream, unmarked()):
            pass
        counters = stream.counters
        return VerifyReport(counters.book_updates, counters.mismatches + counters.crossed, counters.gaps)

    @property
    def _begun_ns(self) -> int:
        """Exchange time of the first frame."""
        return self._exchange_times[0][0] if self._exchange_times else 0

    def _stream(self) -> KrakenStream:
        stream = KrakenStream((), _SETTINGS)
        stream.watch(self.instrument, self._begun_ns)
        return stream

    def _follow(
        self, stream: KrakenStream, marks: FeedMarks, begun: KrakenPlace | None = None
    ) -> Iterator[MarketEvent]:
        received_ns = self._begun_ns if begun is None else begun.received_ns
        # The recorder's clock may be a counter since its own start.
        offset = clock_offset_ns(self._exchange_times)
        counters, on_line, started, unknown = stream.counters, stream.on_line, begun is not None, 0
        position, source = marks.position, self._source(None if begun is None else begun.after)
        for number, frame, clock in source:
            try:
                # Without a time of receipt the exchange's own stands for it.
                received_ns = usable_time(clock + offset) if clock else max(received_ns, _exchange_time_ns(frame))
            except InvalidValueError as error:
                raise CaptureError(self.paths[0], str(error), number) from error
            events = on_line(FrameLine(received_ns, 0, frame))
            if counters.garbage:
                raise CaptureError(self.paths[0], counters.last_garbage, number)
            if counters.unknown != unknown:
                unknown = counters.unknown
                if _outline(frame).channel in _OF_ONE:
                    raise CaptureError(self.paths[0], "has more than one instrument: split it", number)
            # Heartbeats before the first snapshot speak of nothing yet.
            started = started or any(isinstance(event, BookUpdate) for event in events)
            if started:
                yield from events
                position += len(events)
                if events and (time_ns := events[-1].exchange_time_ns) >= marks.due_ns and (seen := stream.seen()):
                    marks.put(position, KrakenPlace(source.place, received_ns, seen), time_ns)

    @cached_property
    def _exchange_times(self) -> list[tuple[int, int]]:
        """(exchange, recorder) time of the first frames that say both; 0 where the recorder says none."""
        first = ((_exchange_time_ns(frame), clock) for _, frame, clock in islice(self._records(), _OFFSET_LINES))
        return list(islice((both for both in first if both[0]), OFFSET_TIMES))

    @cached_property
    def _named(self) -> dict[str, Instrument]:
        """Instruments from a reply to AssetPairs among the first lines: the rules of the time."""
        if self.format == JSON_FORMAT:
            return {}
        for line in islice(self._lines(), _OFFSET_LINES):
            if line.path.startswith(_ASSET_PAIRS) and line.reply:
                reply = bytes(line.reply)
                return instruments_of(reply, pairs_of(reply))
        return {}

    def _records(self) -> Iterator[_Record]:
        return iter(self._source())

    def _source(self, after: LinePlace | None = None) -> _FrameLines | _Frames:
        """The records, after a place among them."""
        if self.format == FRAMES_FORMAT:
            return _FrameLines(self.paths[0], after)
        return _Frames((self._document.init, *self._document.updates), after)

    @cached_property
    def _document(self) -> _Document:
        path = self.paths[0]
        if (size := path.stat().st_size) > _DOCUMENT_BYTES_MAX:
            problem = f"is one document of {size:,} bytes, more than {_DOCUMENT_BYTES_MAX:,}: write a frame a line"
            raise CaptureError(path, problem)
        try:
            # Without blanks, as the exchange writes: what begins like a book is read in one go.
            return _document.decode(msgspec.json.format(path.read_bytes(), indent=-1))
        except (ValueError, RecursionError) as error:
            raise CaptureError(path, f"is not whole JSON ({error}); get the file again") from error

    def _lines(self) -> Iterator[_Line]:
        return (line for _, line in _decoded(self.paths[0], lines(self.paths[0])))


class _FrameLines:
    """A file with one frame a line."""

    def __init__(self, path: Path, after: LinePlace | None) -> None:
        self._path = path
        self._lines = Lines(path, after)

    @property
    def place(self) -> LinePlace:
        """After the last record told."""
        return self._lines.place

    def __iter__(self) -> Iterator[_Record]:
        for number, line in _decoded(self._path, self._lines):
            if line.dir == "rx" and line.frame:
                yield number, bytes(line.frame), line.rx_ns


class _Frames:
    """A document, which is in memory: a place in it is a number."""

    def __init__(self, frames: Sequence[msgspec.Raw], after: LinePlace | None) -> None:
        self._frames = frames
        self._number = 0 if after is None else after.number

    @property
    def place(self) -> LinePlace:
        return LinePlace(self._number, 0)

    def __iter__(self) -> Iterator[_Record]:
        for frame in self._frames[self._number :]:
            self._number += 1
            yield self._number, bytes(frame), 0


def _decoded(path: Path, texts: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, _Line]]:
    for number, text in texts:
        try:
            yield number, _line.decode(text)
        except (ValueError, RecursionError) as error:
            raise CaptureError(path, f"is cut off or damaged here ({error})", number) from error


def _outline(frame: bytes) -> Outline:
    """Empty for a frame of another shape."""
    try:
        return read_outline(frame)
    except (ValueError, RecursionError):
        return Outline()


def _exchange_time_ns(frame: bytes) -> int:
    """0 where it says none."""
    try:
        return rfc3339_ns(text) if (text := _outline(frame).time_text) else 0
    except InvalidValueError:
        return 0


def recognise_kraken(path: Path, head: bytes) -> Capture | None:
    """A capture if the file begins like one of the two formats."""
    if re.match(rb'\s*\{\s*"init"\s*:\s*\{\s*"channel"\s*:\s*"book"', head):
        return KrakenCapture(path, JSON_FORMAT)
    first, _, rest = head.partition(b"\n")
    if first.startswith(b"{") and b'"frame"' in first + rest[:400] and b"rx_ns" in first + rest[:400]:
        return KrakenCapture(path, FRAMES_FORMAT)
    return None
