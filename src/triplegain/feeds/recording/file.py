"""One file of a recording while it is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import zstandard

from triplegain.domain.clock import SECOND_NS
from triplegain.feeds.recording.manifest import RecordedFile, SeekPoint
from triplegain.feeds.recording.reader import FileHeader
from triplegain.feeds.recording.tally import LineTally
from triplegain.venues.kraken.feed_line import FeedLine, write_line

#: A compressed frame ends after so much text or time: there reading can begin.
_FRAME_BYTES = 8 * 2**20
_FRAME_NS = 60 * SECOND_NS

#: On the lines of a feed the fastest level is also denser than the next three.
_LEVEL = 1

_encoder = msgspec.json.Encoder()


class RecordingFile:
    """A new file that grows block by block; what `write` has returned from survives the end of the process.

    Raises OSError when the disk does not take it. What it took until then can be read.
    """

    def __init__(self, path: Path, header: FileHeader, preamble: Sequence[FeedLine]) -> None:
        self.path = path
        self._header = header
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self._tally = LineTally()
        self._seek: list[SeekPoint] = []
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._frame = self._compressor.compressobj()
        self._frame_bytes = 0
        self._frame_rx_ns = 0
        self._plain_bytes = 0
        self._lines = 0
        self.size_bytes = 0
        self._put([_encoder.encode(header) + b"\n", *map(write_line, preamble)])

    def write(self, lines: Sequence[FeedLine]) -> None:
        """Add lines, and give them to the operating system."""
        rx_ns = lines[0].received_at_ns
        if self._frame_bytes >= _FRAME_BYTES or (self._frame_rx_ns and rx_ns >= self._frame_rx_ns + _FRAME_NS):
            self._out(self._frame.flush())
            self._frame = self._compressor.compressobj()
            self._frame_bytes = self._frame_rx_ns = 0
            self._seek.append(SeekPoint(rx_ns, self._tally.last_exchange_ns, self.size_bytes, self._lines))
        self._frame_rx_ns = self._frame_rx_ns or rx_ns
        for line in lines:
            self._tally.add(line)
        self._put([write_line(line) for line in lines])

    def close(self) -> RecordedFile:
        """End the file so that its last bytes can be checked, and wait until the disk has it."""
        try:
            self._out(self._frame.flush())
            os.fsync(self._file.fileno())
        finally:
            self._file.close()
        sha256 = self._hash.hexdigest()
        return self._tally.of_file(
            self.path.name, self._header, tuple(self._seek), self._plain_bytes, self.size_bytes, sha256
        )

    def abandon(self) -> None:
        """Leave it as it is."""
        self._file.close()

    def _put(self, texts: list[bytes]) -> None:
        text = b"".join(texts)
        self._lines += len(texts)
        self._frame_bytes += len(text)
        self._plain_bytes += len(text)
        self._out(self._frame.compress(text) + self._frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))

    def _out(self, compressed: bytes) -> None:
        self._hash.update(compressed)
        self.size_bytes += len(compressed)
        rest = memoryview(compressed)
        while rest:
            rest = rest[self._file.write(rest) :]
