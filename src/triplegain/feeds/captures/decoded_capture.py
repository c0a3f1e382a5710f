"""A capture that is decoded once: its events come from a file in the home where they lie there, else from the decoder,
and lie there then.

Both ways tell the same events and put the same places: a session that began with one goes on with the other. A place is
the decoder's own, kept beside the events; in a file of events its position is enough to go on from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

import msgspec

from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent
from triplegain.feeds.captures import event_columns
from triplegain.feeds.captures.capture import Capture, VerifyReport
from triplegain.feeds.captures.column_events import ColumnEvents
from triplegain.feeds.captures.decoded_file import CaptureFacts, DecodedFile, DecodedWriter
from triplegain.feeds.captures.decoded_folder import DecodedFolder
from triplegain.feeds.captures.event_columns import EventColumns, Place
from triplegain.market.feed import CaptureError
from triplegain.market.feed_marks import AnyPlace, FeedMarks, unmarked

#: Events of a chunk, which are decoded in one go: few enough that whoever waits for the loop does not notice.
_CHUNK = 1_024


class DecodedCapture:
    """Of captures of one instrument; `joined` makes one of them, which reads a lot where there are several."""

    def __init__(
        self, captures: Sequence[Capture], joined: Callable[[list[Capture]], Capture], folder: DecodedFolder
    ) -> None:
        self._captures = captures
        self._joined = joined
        self._folder = folder
        self._files = {path.name: path for capture in captures for path in capture.paths}
        #: The files as they were when they were opened.
        self._stamps = self._stamped()
        self._name = folder.name_of(tuple(self._files.values()))
        found = folder.find(self._name)
        if found is not None and not self._files.keys() >= set(found.facts.files):
            found = None
        self._found = found

    @cached_property
    def _decoder(self) -> Capture:
        return self._joined(list(self._captures))

    @cached_property
    def _facts(self) -> CaptureFacts:
        return self._found.facts if self._found is not None else _facts_of(self._decoder)

    @property
    def is_kept(self) -> bool:
        """Its events lie in the folder."""
        return self._found is not None

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self._files[name] for name in self._facts.files)

    @property
    def format(self) -> str:
        return self._captures[0].format

    @property
    def instrument(self) -> Instrument:
        return self._captures[0].instrument

    @property
    def depth(self) -> MarketDepth:
        return self._captures[0].depth

    @property
    def candle_length_ns(self) -> int | None:
        return self._facts.candle_length_ns

    @property
    def rows(self) -> int:
        return self._facts.rows

    @property
    def span_ns(self) -> tuple[int, int]:
        return self._facts.span_ns

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        marks = marks or unmarked()
        self._found = self._found or self._folder.find(self._name)
        if self._found is None:
            # From its middle no whole file can be made.
            return self._making(marks) if marks.start is None else self._decoder.events(marks)
        if marks.start is not None:
            # Raises where the place is none of this capture's.
            self._decoder.events(marks)
        return self._kept(self._found, marks)

    def verify(self) -> VerifyReport:
        """What stands in the files themselves."""
        return self._decoder.verify()

    def _kept(self, found: DecodedFile, marks: FeedMarks) -> Iterator[MarketEvent]:
        def again(told: int) -> Iterator[MarketEvent]:
            self._found = None
            self._folder.remove(self._name)
            anew = self._making(marks) if marks.start is None else self._decoder.events(marks)
            return islice(anew, told, None)

        return ColumnEvents(found.chunks(marks.position), marks, again)

    def _making(self, marks: FeedMarks) -> Iterator[MarketEvent]:
        return ColumnEvents(self._made(), marks, lambda told: islice(self._decoder.events(marks), told, None))

    def _made(self) -> Iterator[tuple[int, EventColumns]]:
        """From the beginning; with the last one all of them are kept. Raises CaptureError behind what is whole, and
        OverflowError."""
        places = _Places()
        file = _FileInTheMaking(self._folder, self._name)
        events = self._decoder.events(places)
        before, failure = 0, None
        try:
            while failure is None:
                pending: list[MarketEvent] = []
                try:
                    for event in islice(events, _CHUNK):
                        pending.append(event)
                        places.told += 1
                except CaptureError as error:
                    failure = error
                plain = event_columns.written(pending, places.taken())
                file.add(plain, len(pending))
                yield before, event_columns.read(plain)
                before += len(pending)
                if failure is None and len(pending) < _CHUNK:
                    if self._is_unchanged():
                        file.finish(_facts_of(self._decoder))
                    return
            raise failure
        finally:
            file.close()

    def _is_unchanged(self) -> bool:
        """Nobody has written to the files while they were read. To hash them again would hold everything up."""
        try:
            return self._stamped() == self._stamps
        except OSError:
            return False

    def _stamped(self) -> list[tuple[int, ...]]:
        """What a write to one of the files changes, whatever time it is given afterwards. Raises OSError."""
        found = [path.stat() for path in self._files.values()]
        return [(each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in found]


class _Places(FeedMarks):
    """Keeps what a decoder puts, behind the first `told` events of a chunk."""

    def __init__(self) -> None:
        super().__init__()
        self.told = 0
        self._kept: list[Place] = []

    def put(self, position: int, place: AnyPlace, time_ns: int) -> None:
        super().put(position, place, time_ns)
        self._kept.append(Place(self.told, position, time_ns, msgspec.json.encode(place)))

    def taken(self) -> list[Place]:
        """Those of a chunk that is over."""
        kept, self._kept, self.told = self._kept, [], 0
        return kept


class _FileInTheMaking:
    """Grows as long as all goes well; what goes wrong ends it and nothing else."""

    def __init__(self, folder: DecodedFolder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._writer: DecodedWriter | None = None
        self._try(lambda: folder.begin(name))

    def add(self, plain: bytes, events: int) -> None:
        """See `DecodedWriter.add`."""
        if (writer := self._writer) is not None:
            self._try(lambda: self._added(writer, plain, events))

    def finish(self, facts: CaptureFacts) -> None:
        if (writer := self._writer) is not None:
            self._try(lambda: self._finished(writer, facts))

    def close(self) -> None:
        """Nothing of it stays that was not finished."""
        if (writer := self._writer) is not None:
            self._writer = None
            self._folder.drop(writer)
            writer.close()

    def _try(self, act: Callable[[], DecodedWriter | None]) -> None:
        try:
            going_on = act()
        except OSError:
            going_on = None
        if going_on is None:
            self.close()
        self._writer = going_on

    def _added(self, writer: DecodedWriter, plain: bytes, events: int) -> DecodedWriter:
        writer.add(plain, events)
        if not self._folder.has_room(writer):
            raise OSError("no room")
        return writer

    def _finished(self, writer: DecodedWriter, facts: CaptureFacts) -> None:
        writer.finish(facts)
        if not self._folder.has_room(writer):
            raise OSError("no room")
        self._folder.put(self._name, writer)


def _facts_of(capture: Capture) -> CaptureFacts:
    files = tuple(path.name for path in capture.paths)
    return CaptureFacts(files, capture.rows, capture.span_ns, capture.candle_length_ns)
