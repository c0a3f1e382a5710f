"""The lines of one recorded file, up to its last whole one, wherever it was cut off."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import zstandard

from triplegain.market.feed import CaptureError

#: Little, so that of a damaged file little is lost before the damage.
_PIECE_BYTES = 8192


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

    def __init__(self, path: Path, at_byte: int = 0) -> None:
        self._path = path
        self._at_byte = at_byte
        self.cut = ""
        self.damaged = False
        #: (byte, lines before it) where each compressed frame begins.
        self.frames: list[tuple[int, int]] = []
        self.plain_bytes = 0
        self.lines = 0

    def blocks(self) -> Iterator[list[bytes]]:
        """Lines without their line feeds, many at a time."""
        rest = b""
        for text in self._texts():
            self.plain_bytes += len(text)
            lines = (rest + text).split(b"\n")
            rest = lines.pop()
            self.lines += len(lines)
            yield lines
        if rest and not self.cut:
            self.cut = f"cut off after line {self.lines}"

    def _texts(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._at_byte)
                pieces = iter(partial(file.read, _PIECE_BYTES), b"")
                yield from self._decompressed(pieces) if self._path.suffix == ".zst" else pieces
        except zstandard.ZstdError as error:
            self.damaged = True
            self.cut = f"damaged after line {self.lines} ({error})"
        except OSError as error:
            raise CaptureError(self._path, f"cannot be read ({error.strerror})") from error

    def _decompressed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        decompressor = zstandard.ZstdDecompressor()
        begin = self._at_byte
        frame = None
        for piece in pieces:
            while piece:
                if frame is None:
                    self.frames.append((begin, self.lines))
                    frame = decompressor.decompressobj()
                text = frame.decompress(piece)
                if text:
                    yield text
                begin += len(piece)
                piece = b""
                if frame.eof:
                    piece = frame.unused_data
                    begin -= len(piece)
                    frame = None
        if frame is not None:
            self.cut = f"cut off after line {self.lines}"


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
