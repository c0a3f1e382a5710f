"""The figures of a recorded file from its lines: for files that nobody closed, and to check those that were."""

from __future__ import annotations

import hashlib
from pathlib import Path

from triplegain.feeds.recording.manifest import RecordedFile, SeekPoint
from triplegain.feeds.recording.reader import FileHeader, FileReader, decoded_header
from triplegain.feeds.recording.tally import LineTally
from triplegain.market.feed import CaptureError
from triplegain.venues.kraken.feed_line import read_line


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
    return tally.of_file(path.name, header, tuple(seek), reader.plain_bytes, size, sha256, fault or reader.cut)


def hashed(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size, sha256
