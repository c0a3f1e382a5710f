"""A file of decoded events: chunks of columns, then the table of the chunks, then what proves the table.

    magic, version | chunk | chunk | ... | table (JSON) | SHA-256 of the table | its length | magic

A chunk is one Zstandard frame; its CRC-32 and its size stand in the table. The table comes last and is written when
everything before it is on the disk, and the file has its name only then: one that was cut off anywhere has no valid
end. Chunks are read one by one and not mapped into memory: a file that somebody cuts off meanwhile is then a chunk that
is too short, not the end of the process.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import zstandard

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.values import INTEGER_MAX, Count
from triplegain.feeds.captures import event_columns
from triplegain.feeds.captures.event_columns import EventColumns

_MAGIC = b"TGEVENTS"
#: Of this layout and of the columns; see `decoded_folder` for that of the decoders.
VERSION = 1
_HEAD = _MAGIC + VERSION.to_bytes(4, "little")
_HASH_BYTES = 32
_END_BYTES = _HASH_BYTES + 8 + len(_MAGIC)
#: Far more than a chunk takes: what names more was not written here.
_PLAIN_MAX = 2**30
#: The fastest level is not much larger here than the next ones.
_LEVEL = 1


class DamagedFileError(InvalidValueError):
    """A file of decoded events that is not what was written; its capture is decoded again."""


class CaptureFacts(msgspec.Struct, frozen=True):
    """What of a capture only a whole reading tells; `files` are the names of its parts in their order."""

    files: tuple[str, ...]
    rows: Count
    span_ns: tuple[Count, Count]
    candle_length_ns: Annotated[int, msgspec.Meta(gt=0, le=INTEGER_MAX)] | None


class _Chunk(msgspec.Struct, frozen=True, array_like=True):
    """Where it lies, and how many events it has."""

    offset: Count
    size: Count
    plain_size: Annotated[int, msgspec.Meta(ge=0, le=_PLAIN_MAX)]
    crc: Count
    events: Count


class _Table(msgspec.Struct, frozen=True):
    facts: CaptureFacts
    chunks: list[_Chunk]


_table = msgspec.json.Decoder(_Table)


class DecodedFile:
    """Opened for reading, and held open: it can be removed or replaced meanwhile. Raises DamagedFileError, OSError."""

    def __init__(self, path: Path) -> None:
        self._file = open_regular(path)
        try:
            self._contents = self._read_table()
        except BaseException:
            self._file.close()
            raise

    @property
    def facts(self) -> CaptureFacts:
        return self._contents.facts

    def touch(self) -> None:
        """It has been of use now."""
        os.utime(self._file.fileno())

    def chunks(self, after: int = 0) -> Iterator[tuple[int, EventColumns]]:
        """The chunks with events behind the first `after`, each with the number of events before it.

        Raises DamagedFileError at the chunk that is not what was written.
        """
        before = 0
        for chunk in self._contents.chunks:
            if before + chunk.events > after:
                yield before, self._read(chunk)
            before += chunk.events

    def _read(self, chunk: _Chunk) -> EventColumns:
        try:
            self._file.seek(chunk.offset)
            packed = self._file.read(chunk.size)
            if len(packed) != chunk.size or zlib.crc32(packed) != chunk.crc:
                raise DamagedFileError("a chunk of it was changed")
            if zstandard.frame_content_size(packed) != chunk.plain_size:
                raise DamagedFileError("a chunk of it has another size")
            columns = event_columns.read(zstandard.decompress(packed))
        except (OSError, zstandard.ZstdError, InvalidValueError) as error:
            raise DamagedFileError(f"cannot be read ({error})") from error
        if len(columns) != chunk.events:
            raise DamagedFileError("a chunk of it has another number of events")
        return columns

    def _read_table(self) -> _Table:
        file = self._file
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size < len(_HEAD) + _END_BYTES or file.read(len(_HEAD)) != _HEAD:
            raise DamagedFileError("is no file of decoded events of this version")
        file.seek(size - _END_BYTES)
        end = file.read(_END_BYTES)
        length = int.from_bytes(end[_HASH_BYTES : _HASH_BYTES + 8], "little")
        if not end.endswith(_MAGIC) or length > size - len(_HEAD) - _END_BYTES:
            raise DamagedFileError("has no end")
        file.seek(size - _END_BYTES - length)
        text = file.read(length)
        if hashlib.sha256(text).digest() != end[:_HASH_BYTES]:
            raise DamagedFileError("its table was changed")
        try:
            return _table.decode(text)
        except msgspec.DecodeError as error:
            raise DamagedFileError(f"its table cannot be read ({error})") from error


class DecodedWriter:
    """A file that is being made, under a name of its own and locked: what nobody holds any more was left behind.

    Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Without a buffer, whose rest would be written once more where a disk has refused it.
        self._file = open(path, "xb", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115
        self._chunks: list[_Chunk] = []
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(_HEAD)
        except BaseException:
            path.unlink(missing_ok=True)
            self._file.close()
            raise
        self.size_bytes = len(_HEAD)

    def add(self, plain: bytes, events: int) -> None:
        """The next chunk, of so many events; see `event_columns.written`."""
        packed = zstandard.ZstdCompressor(level=_LEVEL).compress(plain)
        self._write(packed)
        self._chunks.append(_Chunk(self.size_bytes, len(packed), len(plain), zlib.crc32(packed), events))
        self.size_bytes += len(packed)

    def finish(self, facts: CaptureFacts) -> None:
        """Everything is on the disk when this returns; the file stays locked until `close`."""
        os.fsync(self._file.fileno())
        text = msgspec.json.encode(_Table(facts, self._chunks))
        end = hashlib.sha256(text).digest() + len(text).to_bytes(8, "little") + _MAGIC
        self._write(text + end)
        os.fsync(self._file.fileno())
        self.size_bytes += len(text) + len(end)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        self._file.close()


def open_regular(path: Path) -> BinaryIO:
    """For reading. Raises OSError for a link, a pipe and whatever else is no file: none is followed or waited for."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "is no file", str(path))
    return file


def is_being_written(path: Path) -> bool:
    """Whether a process holds the lock of a file that is being made. Raises OSError."""
    with open_regular(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
