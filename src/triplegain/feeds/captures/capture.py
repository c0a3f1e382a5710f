"""A recorded market in one or more files: one instrument, one kind of content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketDepth, MarketEvent
from triplegain.feeds.captures.instruments import SAMPLE, capture_instrument, venue_in_name
from triplegain.market.feed import CaptureError
from triplegain.market.feed_marks import FeedMarks


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a capture says about itself.

    `updates` are the messages checked (book updates; trades or candles where there is no book), `mismatches` those
    that contradict the book (checksum, best quote), `gaps` the places where messages are missing.
    """

    updates: int
    mismatches: int
    gaps: int

    def __add__(self, other: VerifyReport) -> VerifyReport:
        return VerifyReport(self.updates + other.updates, self.mismatches + other.mismatches, self.gaps + other.gaps)


class Capture(Protocol):
    """One instrument as recorded. Nothing is read beyond what the property asked for needs."""

    @property
    def paths(self) -> tuple[Path, ...]: ...

    @property
    def format(self) -> str: ...

    @property
    def instrument(self) -> Instrument: ...

    @property
    def depth(self) -> MarketDepth: ...

    @property
    def candle_length_ns(self) -> int | None:
        """Length of its candles; None for a book or trades."""
        ...

    @property
    def rows(self) -> int:
        """Messages, trades or candles in the files."""
        ...

    @property
    def span_ns(self) -> tuple[int, int]:
        """Exchange time of the first and the last event."""
        ...

    def events(self, marks: FeedMarks | None = None) -> Iterator[MarketEvent]:
        """Its market events in order of receipt, see `MarkedFeed`. Raises CaptureError where the file is damaged."""
        ...

    def verify(self) -> VerifyReport:
        """Reads everything. Raises CaptureError where the file is damaged."""
        ...


#: Opens a file if it is of the recogniser's format; None if it is something else.
Recogniser = Callable[[Path, bytes], Capture | None]


#: Bytes of a file's beginning that its identity knows.
_HEAD_BYTES = 65_536


def identity_of(paths: Iterable[Path]) -> str:
    """What changes when one of the files does: names, sizes, times of change, and how each begins."""
    return "; ".join(_identity(path) for path in paths)


def _identity(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = hashlib.sha256(file.read(_HEAD_BYTES)).hexdigest()
        status = path.stat()
    except OSError as error:
        raise CaptureError(path, f"cannot be read ({error.strerror})") from error
    return f"{path.name} {status.st_size} {status.st_mtime_ns} {head[:16]}"


#: Messages by which the recorder's clock is compared with the exchange's.
OFFSET_TIMES = 100


def clock_offset_ns(times: Iterable[tuple[int, int]]) -> int:
    """Nanoseconds to add to a recorder's clock to get the exchange's, from the first (exchange, recorder) times.

    The largest difference belongs to the message that travelled fastest: with it nothing is received before it
    happened.
    """
    return max((exchange - recorder for exchange, recorder in islice(times, OFFSET_TIMES)), default=0)


class FileCapture:
    """One file of rows: its name says which pair it holds, its first prices in which steps."""

    def __init__(self, path: Path, format: str, symbol: str) -> None:
        self.paths = (path,)
        self.format = format
        self._symbol = symbol

    def _instrument(self, prices: Iterable[str]) -> Instrument:
        try:
            return capture_instrument(self._symbol, venue_in_name(self.paths[0]), list(islice(prices, SAMPLE)))
        except InvalidValueError as error:
            raise CaptureError(self.paths[0], str(error)) from error
