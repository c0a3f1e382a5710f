"""Rows of a JSON file that is one long list of flat lists, a piece at a time: however large, memory stays small."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from triplegain.market.feed import CaptureError

_Row = TypeVar("_Row")
_GZIP_MAGIC = b"\x1f\x8b"
_PIECE_BYTES = 1 << 20


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
        except (EOFError, OSError, zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
            problem = f"is cut off or damaged after row {count:,} ({error}); get the file again"
            raise CaptureError(path, problem) from error


def _pieces(path: Path) -> Iterator[bytes]:
    """The file as lists of whole rows."""
    with path.open("rb") as plain:
        packed = plain.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    rest = b""
    with gzip.open(path) if packed else path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            rest += piece
            # The last bracket of all closes the list; one with a comma behind it closes a row.
            cut = rest.rfind(b"]", 0, rest.rfind(b",", 0, rest.rfind(b"[")) + 1) + 1
            if cut > 0:
                yield rest[:cut] + b"]"
                rest = b"[" + rest[cut:].lstrip().removeprefix(b",")
    yield rest
