"""Rows of recorded files, a piece at a time: lines, CSV, flat lists in JSON, columns of feather (Arrow IPC)."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader, BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.market.feed import CaptureError
from triplegain.venues.kraken.feed_line import LINE_BYTES_MAX

_Row = TypeVar("_Row")
GZIP_MAGIC = b"\x1f\x8b"
_PIECE_BYTES = 1 << 20
#: A row of numbers is shorter, by far.
_ROW_BYTES_MAX = 2 << 20


def _opened(path: Path) -> gzip.GzipFile | BufferedReader:
    """Plain or .gz, whatever it is called."""
    with path.open("rb") as plain:
        packed = plain.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return gzip.open(path) if packed else path.open("rb")


class LinePlace(msgspec.Struct, frozen=True):
    """After so many lines of a file, which end at this byte of its text (of a packed file: unpacked)."""

    number: int
    byte: int


class Lines:
    """The lines of a file, counted from 1, or those after a place. Raises CaptureError with the line after which it is
    cut off or damaged."""

    def __init__(self, path: Path, after: LinePlace | None = None) -> None:
        self._path = path
        self._number, self._byte = (0, 0) if after is None else (after.number, after.byte)
        #: Whole lines, which begin at `_byte` of the file's text.
        self._block = BytesIO()

    @property
    def place(self) -> LinePlace:
        """After the last line told."""
        return LinePlace(self._number, self._byte + self._block.tell())

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        number = self._number
        try:
            for block in self._blocks():
                self._block = BytesIO(block)
                for line in self._block:
                    if len(line) > LINE_BYTES_MAX:
                        raise self._endless(number)
                    number += 1
                    self._number = number
                    yield number, line
                self._byte, self._block = self._byte + len(block), BytesIO()
        except (EOFError, OSError, zlib.error) as error:
            raise self._damaged(number, error) from error

    def count(self) -> tuple[int, bytes]:
        """How many lines there are, and the last one, which is empty where there is none."""
        last = b""
        try:
            for block in self._blocks():
                last = block[block.rfind(b"\n", 0, len(block) - 1) + 1 :]
                self._number += block.count(b"\n") + (not block.endswith(b"\n"))
        except (EOFError, OSError, zlib.error) as error:
            raise self._damaged(self._number, error) from error
        return self._number, last

    def _blocks(self) -> Iterator[bytes]:
        """Whole lines; the last of a file may lack its end."""
        with _opened(self._path) as file:
            file.seek(self._byte)
            rest: list[bytes] = []
            size = 0
            # No more than one reading of the file below at a time: what it has told before it fails is not lost.
            while piece := file.read1(_PIECE_BYTES):
                cut = piece.rfind(b"\n") + 1
                if cut:
                    rest.append(piece[:cut])
                    block = b"".join(rest)
                    rest, size = [], 0
                    yield block
                rest.append(piece[cut:])
                size += len(piece) - cut
                if size > LINE_BYTES_MAX:
                    raise self._endless(self._number)
            if size:
                yield b"".join(rest)

    def _damaged(self, number: int, error: Exception) -> CaptureError:
        problem = f"the compressed file is cut off or damaged after this line ({error}); get it again"
        return CaptureError(self._path, problem, number)

    def _endless(self, number: int) -> CaptureError:
        return CaptureError(self._path, f"a line of more than {LINE_BYTES_MAX:,} bytes", number + 1)


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """See `Lines`."""
    return iter(Lines(path))


def csv_rows(path: Path, row: Callable[[list[str]], _Row], skip: int = 0) -> Iterator[_Row]:
    """What is made of each line, the first ones left out. Raises CaptureError with the line that cannot be read."""
    number = skip
    try:
        for line in islice(csv.reader(text.decode() for _, text in lines(path)), skip, None):
            number += 1
            yield row(line)
    except (csv.Error, ArithmeticError, ValueError) as error:
        raise CaptureError(path, f"is cut off or damaged ({error})", number) from error


class JsonRows(Generic[_Row]):
    """Reads `[[...], [...], ...]`, plain or .gz, whose rows hold no brackets, into rows of one type."""

    def __init__(self, row: Any) -> None:
        self._decode = msgspec.json.Decoder(list[row]).decode

    def read(self, path: Path) -> Iterator[_Row]:
        """Raises CaptureError with the row after which the file is cut off or damaged."""
        count = 0
        try:
            for piece in _pieces(path):
                rows: list[_Row] = self._decode(piece)
                count += len(rows)
                yield from rows
        except (EOFError, OSError, zlib.error, ValueError, RecursionError) as error:
            problem = f"is cut off or damaged after row {count:,} ({error}); get the file again"
            raise CaptureError(path, problem) from error


def _pieces(path: Path) -> Iterator[bytes]:
    """The file as lists of whole rows."""
    rest = b""
    with _opened(path) as file:
        while piece := file.read(_PIECE_BYTES):
            rest += piece
            # The last bracket of all closes the list; one with a comma behind it closes a row.
            cut = rest.rfind(b"]", 0, rest.rfind(b",", 0, rest.rfind(b"[")) + 1) + 1
            if cut > 0:
                yield rest[:cut] + b"]"
                rest = b"[" + rest[cut:].lstrip().removeprefix(b",")
            if len(rest) > _ROW_BYTES_MAX:
                raise InvalidValueError(f"a row of more than {_ROW_BYTES_MAX:,} bytes")
    yield rest


MAGIC = b"ARROW1\x00\x00"

#: Nanoseconds in one unit of an Arrow timestamp (`tsn:UTC` and so on).
_UNIT_NS = {"tss": 10**9, "tsm": 10**6, "tsu": 1000, "tsn": 1}


def column_names(path: Path) -> tuple[str, ...]:
    """Names of the columns, in order."""
    for names, _ in _batches(path):
        return names
    return ()


def read_columns(path: Path, wanted: Sequence[str]) -> Iterator[list[list[Any]]]:
    """The wanted columns of each batch as Python values; timestamps as nanoseconds. Raises CaptureError."""
    for names, batch in _batches(path):
        missing = [name for name in wanted if name not in names]
        if missing:
            raise CaptureError(path, f"lacks the column {missing[0]!r}; it has {', '.join(names)}")
        yield [_values(path, batch.child(names.index(name))) for name in wanted]


def _batches(path: Path) -> Iterator[tuple[tuple[str, ...], Any]]:
    # Imported here: only somebody who opens a feather file needs it.
    import nanoarrow  # type: ignore[import-untyped]
    from nanoarrow.ipc import InputStream  # type: ignore[import-untyped]

    count = 0
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise CaptureError(path, "is no feather file")
            # Behind its magic a file is the stream format, with an index at the end that is not needed here.
            with InputStream.from_readable(file) as stream, nanoarrow.c_array_stream(stream) as batches:
                names = tuple(child.name for child in batches.get_schema().children)
                for batch in batches:
                    count += 1
                    yield names, batch
    except (RuntimeError, OSError) as error:
        raise CaptureError(path, f"is cut off or damaged after batch {count} ({error})") from error


def _values(path: Path, column: Any) -> list[Any]:
    import nanoarrow

    unit = column.schema.format.partition(":")[0]
    if unit not in _UNIT_NS:
        values: list[Any] = nanoarrow.Array(column).to_pylist()
        return values
    if column.null_count:
        raise CaptureError(path, f"has empty times in column {column.schema.name!r}")
    times = memoryview(column.view().buffer(1))[column.offset : column.offset + column.length]
    return [time * _UNIT_NS[unit] for time in times]
