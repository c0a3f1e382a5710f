"""What the lines of one recorded file add up to. The same for the file being written and one that is read again."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.feeds.recording.manifest import Counts, Gap, Overrun, RecordedFile, SeekPoint
from triplegain.feeds.recording.reader import FileReader, decoded_header
from triplegain.market.feed import CaptureError
from triplegain.market.timestamps import rfc3339_ns
from triplegain.venues.kraken.feed_line import DownLine, FeedLine, FrameLine, OverrunLine, read_line
from triplegain.venues.kraken.wire.frames import read_outline

#: Gaps and overruns that are listed one by one.
_LISTED_MAX = 1000


class LineTally:
    """The file that the lines added so far are in."""

    def __init__(self, name: str, run: int, preamble: int = 0) -> None:
        self._counts: defaultdict[str, Counts] = defaultdict(Counts)
        self._file = RecordedFile(name, run, preamble)
        # Times of one shape compare as text; they become numbers when somebody asks.
        self._first_time = ""
        self._last_time = ""

    def add(self, line: FeedLine) -> None:
        file, received = self._file, line.received_at_ns
        if not file.lines:
            file.first_rx_ns = received
        file.lines += 1
        file.last_rx_ns = received
        if isinstance(line, FrameLine):
            self._on_frame(line.frame)
        elif isinstance(line, DownLine):
            file.disconnects += 1
            if len(file.gaps) < _LISTED_MAX:
                file.gaps.append(Gap(received, line.connection, line.reason))
        elif isinstance(line, OverrunLine):
            one = self._counts[line.symbol]
            one.overruns += 1
            one.dropped += line.dropped
            if len(file.overruns) < _LISTED_MAX:
                file.overruns.append(Overrun(received, line.symbol, line.dropped))

    def can_begin(self, rx_ns: int, byte: int, lines: int) -> None:
        """Reading can begin there; the next line was received at that time."""
        self._file.seek.append(SeekPoint(rx_ns, _time_ns(self._last_time), byte, lines))

    def closed(self, plain_bytes: int, size_bytes: int, sha256: str, cut: str = "") -> RecordedFile:
        return replace(
            self._file,
            size_bytes=size_bytes,
            plain_bytes=plain_bytes,
            sha256=sha256,
            first_exchange_ns=_time_ns(self._first_time),
            last_exchange_ns=_time_ns(self._last_time),
            counts=dict(sorted(self._counts.items())),
            cut=cut,
        )

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
            one = self._counts[message.symbol]
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
    tally: LineTally | None = None
    first = number = 0
    fault = ""
    for lines in reader.blocks():
        begins = {before: byte for byte, before in reader.frames[1:]}
        for text in lines:
            number += 1
            if tally is None:
                header = decoded_header(text)
                if header is None:
                    raise CaptureError(path, "is no file of a recording: its first line does not say so")
                tally, first = LineTally(path.name, header.run, header.preamble), header.preamble + 1
            if number <= first:
                continue
            try:
                line = read_line(text)
            except (ValueError, RecursionError) as error:
                fault = f"damaged after line {number - 1} ({error})"
                break
            if (byte := begins.get(number - 1)) is not None:
                tally.can_begin(line.received_at_ns, byte, number - 1)
            tally.add(line)
        if fault:
            break
    return None if tally is None else tally.closed(reader.plain_bytes, *hashed(path), fault or reader.cut)


def hashed(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size, sha256
