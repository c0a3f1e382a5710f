"""One recorded file: its lines up to the last whole one, wherever it was cut off, and what they add up to.

The same for the file being written and one that is read again.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import zstandard

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.values import SYMBOL
from triplegain.feeds.recording.manifest import Counts, Gap, Overrun, RecordedFile, SeekPoint
from triplegain.market.feed import CaptureError
from triplegain.market.timestamps import rfc3339_ns
from triplegain.venues.kraken.feed_line import (
    LINE_BYTES_MAX,
    DownLine,
    FeedLine,
    FrameLine,
    OverrunLine,
    read_line,
)
from triplegain.venues.kraken.wire.frames import read_outline

#: Little, so that of a damaged file little is lost before the damage.
_PIECE_BYTES = 8192
#: So much is decompressed at a time: it becomes some megabytes at most.
_STEP_BYTES = 256
_AT_ONCE_BYTES = 1 << 20
#: What the writer's level needs, and not what a file asks for.
_WINDOW_BYTES_MAX = 8 * 2**20


class FileHeader(msgspec.Struct, frozen=True):
    """The first line of a file: which run it belongs to and how that was recorded.

    `preamble` lines follow that are not part of the run's sequence: they say again what a reader must know who begins
    with this file.
    """

    recording: int
    run: int
    file: int
    preamble: int
    started_at_ns: int
    symbols: tuple[str, ...]
    book_depth: int
    stale_after_ns: int
    recorder: str


_header = msgspec.json.Decoder(FileHeader)


class FileReader:
    """The whole lines of a file, compressed or plain, from byte 0 or where a seek point says.

    Afterwards `cut` says why the file ends where it does; it is empty for a file that was closed. `damaged` is True
    when something in it is wrong, not only missing. Raises CaptureError when the file cannot be read at all.
    """

    def __init__(self, path: Path, at_byte: int = 0, lines: int = 0) -> None:
        """`lines` are those before that byte."""
        self._path = path
        self._at_byte = at_byte
        self.cut = ""
        self.damaged = False
        #: (byte, lines before it) where each compressed frame begins.
        self.frames: list[tuple[int, int]] = []
        self.plain_bytes = 0
        self.lines = lines
        #: (byte, lines before it) where the lines of the last block begin, in a plain file.
        self._block = (at_byte, lines)
        #: No line has begun and not ended.
        self._is_between = True

    def begins(self, line: int) -> tuple[int, int]:
        """The last byte known by now at which reading can begin, and the lines before it: at most so many."""
        known = (begin for begin in reversed(self.frames) if begin[1] <= line) if self._is_packed else [self._block]
        return next(iter(known), (self._at_byte, self._block[1]))

    @property
    def _is_packed(self) -> bool:
        return self._path.suffix == ".zst"

    def blocks(self) -> Iterator[list[bytes]]:
        """Lines without their line feeds, many at a time."""
        begun = bytearray()
        for text in self._texts():
            if not self._is_packed:
                self._block = (self._at_byte + self.plain_bytes - len(begun), self.lines)
            self.plain_bytes += len(text)
            begun += text
            self._is_between = text.endswith(b"\n")
            if b"\n" not in text:
                if len(begun) > LINE_BYTES_MAX:
                    self.damaged = True
                    self.cut = f"damaged after line {self.lines} (a line of more than {LINE_BYTES_MAX:,} bytes)"
                    return
                continue
            lines = bytes(begun).split(b"\n")
            begun = bytearray(lines.pop())
            self.lines += len(lines)
            yield lines
        if begun and not self.cut:
            self.cut = f"cut off after line {self.lines}"

    def _texts(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._at_byte)
                pieces = iter(partial(file.read, _PIECE_BYTES), b"")
                yield from self._decompressed(pieces) if self._is_packed else pieces
        except zstandard.ZstdError as error:
            self.damaged = True
            self.cut = f"damaged after line {self.lines} ({error})"
        except OSError as error:
            raise CaptureError(self._path, f"cannot be read ({error.strerror})") from error

    def _decompressed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
        begin = self._at_byte
        frame = None
        for piece in pieces:
            while piece:
                if frame is None:
                    if self._is_between:
                        self.frames.append((begin, self.lines))
                    frame = decompressor.decompressobj()
                begin += len(piece)
                piece = yield from _decompressed(frame, piece)
                begin -= len(piece)
                if frame.eof:
                    frame = None
        if frame is not None:
            self.cut = f"cut off after line {self.lines}"


def _decompressed(frame: zstandard.ZstdDecompressionObj, piece: bytes) -> Generator[bytes, None, bytes]:
    """What becomes of a piece: at once, so that what a checksum belies is not told, unless that is very much.

    Returns what of it is behind the frame's end.
    """
    found, size, at = list[bytes](), 0, 0
    while at < len(piece) and not frame.eof:
        text = frame.decompress(piece[at : at + _STEP_BYTES])
        at += _STEP_BYTES
        size += len(text)
        found.append(text)
        if size > _AT_ONCE_BYTES:
            yield b"".join(found)
            found, size = [], 0
    if size:
        yield b"".join(found)
    return frame.unused_data + piece[at:] if frame.eof else b""


def read_header(path: Path) -> FileHeader | None:
    """The first line of a file, or None if it is not of a recording or lost its beginning."""
    for lines in FileReader(path).blocks():
        if lines:
            return decoded_header(lines[0])
    return None


def decoded_header(line: bytes) -> FileHeader | None:
    try:
        return _header.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


_SYMBOL = re.compile(SYMBOL)
#: Gaps, overruns and instruments that are listed one by one.
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
            one = self._counts.get(message.symbol)
            if one is None:
                if len(self._counts) >= _LISTED_MAX or not _SYMBOL.fullmatch(message.symbol):
                    continue
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
