"""What the lines of one recorded file add up to. The same for the file being written and one that is read again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.feeds.recording.manifest import Counts, Gap, Overrun, RecordedFile, SeekPoint
from triplegain.feeds.recording.reader import FileHeader, FileReader, decoded_header
from triplegain.market.feed import CaptureError
from triplegain.market.timestamps import rfc3339_ns
from triplegain.venues.kraken.feed_line import DownLine, FeedLine, FrameLine, OverrunLine, read_line
from triplegain.venues.kraken.wire.frames import read_outline

#: Gaps and overruns that are listed one by one.
_LISTED_MAX = 1000


class _Counting:
    """Counts while they grow."""

    __slots__ = ("book_updates", "dropped", "overruns", "trades")

    def __init__(self) -> None:
        self.book_updates = self.trades = self.overruns = self.dropped = 0


class LineTally:
    """Counts and times of the lines added so far."""

    def __init__(self) -> None:
        self.lines = 0
        self.first_rx_ns = 0
        self.last_rx_ns = 0
        self.disconnects = 0
        self.gaps: list[Gap] = []
        self.overruns: list[Overrun] = []
        self._counts: dict[str, _Counting] = {}
        # Times of one shape compare as text; they become numbers when somebody asks.
        self._first_time = ""
        self._last_time = ""

    def add(self, line: FeedLine) -> None:
        received = line.received_at_ns
        if not self.lines:
            self.first_rx_ns = received
        self.lines += 1
        self.last_rx_ns = received
        if isinstance(line, FrameLine):
            self._on_frame(line.frame)
        elif isinstance(line, DownLine):
            self.disconnects += 1
            if len(self.gaps) < _LISTED_MAX:
                self.gaps.append(Gap(received, line.connection, line.reason))
        elif isinstance(line, OverrunLine):
            one = self._of(line.symbol)
            one.overruns += 1
            one.dropped += line.dropped
            if len(self.overruns) < _LISTED_MAX:
                self.overruns.append(Overrun(received, line.symbol, line.dropped))

    @property
    def counts(self) -> dict[str, Counts]:
        return {
            symbol: Counts(one.book_updates, one.trades, one.overruns, one.dropped)
            for symbol, one in sorted(self._counts.items())
        }

    @property
    def first_exchange_ns(self) -> int:
        return _time_ns(self._first_time)

    @property
    def last_exchange_ns(self) -> int:
        return _time_ns(self._last_time)

    def of_file(
        self,
        name: str,
        run: int,
        preamble: int,
        seek: tuple[SeekPoint, ...],
        plain_bytes: int,
        size_bytes: int,
        sha256: str,
        cut: str = "",
    ) -> RecordedFile:
        """The file these lines are in."""
        return RecordedFile(
            name,
            run,
            preamble,
            self.lines,
            size_bytes,
            plain_bytes,
            sha256,
            self.first_rx_ns,
            self.last_rx_ns,
            self.first_exchange_ns,
            self.last_exchange_ns,
            self.counts,
            self.disconnects,
            tuple(self.gaps),
            tuple(self.overruns),
            seek,
            cut,
        )

    def _of(self, symbol: str) -> _Counting:
        found = self._counts.get(symbol)
        if found is None:
            found = self._counts[symbol] = _Counting()
        return found

    def _on_frame(self, frame: bytes) -> None:
        try:
            told = read_outline(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if told.channel not in ("book", "trade"):
            return
        # A snapshot tells when its last change was, which may be long ago.
        live = told.type == "update"
        for message in told.data:
            one = self._of(message.symbol)
            if told.channel == "book":
                one.book_updates += 1
            elif live:
                one.trades += 1
            if live and message.timestamp > self._last_time:
                self._first_time = self._first_time or message.timestamp
                self._last_time = message.timestamp


def _time_ns(text: str) -> int:
    try:
        return rfc3339_ns(text) if text else 0
    except InvalidValueError:
        return 0


def scan_file(path: Path) -> RecordedFile | None:
    """What the file holds up to its last whole line; None if not even its first line is there.

    Raises CaptureError if the file cannot be read, or begins with something else.
    """
    reader = FileReader(path)
    tally = LineTally()
    header: FileHeader | None = None
    seek: list[SeekPoint] = []
    number = 0
    fault = ""
    for lines in reader.blocks():
        begins = {before: byte for byte, before in reader.frames[1:]}
        for text in lines:
            number += 1
            if header is None:
                header = decoded_header(text)
                if header is None:
                    raise CaptureError(path, "is no file of a recording: its first line does not say so")
                continue
            if number <= header.preamble + 1:
                continue
            try:
                line = read_line(text)
            except (ValueError, RecursionError) as error:
                fault = f"damaged after line {number - 1} ({error})"
                break
            if (byte := begins.get(number - 1)) is not None:
                seek.append(SeekPoint(line.received_at_ns, tally.last_exchange_ns, byte, number - 1))
            tally.add(line)
        if fault:
            break
    if header is None:
        return None
    size, sha256 = hashed(path)
    run, cut = (header.run, header.preamble), fault or reader.cut
    return tally.of_file(path.name, *run, tuple(seek), reader.plain_bytes, size, sha256, cut)


def hashed(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size, sha256
