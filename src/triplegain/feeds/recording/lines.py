"""The lines of a recording in their order, run by run, or those of a period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from triplegain.feeds.recording.folder import MISSING
from triplegain.feeds.recording.manifest import Manifest, RecordedFile, file_number, is_file_name
from triplegain.feeds.recording.reader import FileReader, PlainReader
from triplegain.market.feed import CaptureError
from triplegain.venues.kraken.feed_line import FeedLine, read_line


@dataclass(frozen=True, slots=True)
class RecordedLines:
    """Reads one file after the other; nothing is kept.

    What is cut off at the end of a run ends that run. Raises CaptureError where something is wrong before that.
    """

    folder: Path
    manifest: Manifest

    def of_run(self, run: int) -> Iterator[FeedLine]:
        """From the first line that is still there. Where older files were removed, a preamble stands for them."""
        files = [file for file in self.manifest.files if file.run == run]
        for position, file in enumerate(files):
            if position and file_number(file.name) != file_number(files[position - 1].name) + 1:
                raise CaptureError(self.folder, f"a file between {files[position - 1].name} and {file.name} is missing")
            skipped = _header_lines(file) + (file.preamble if position else 0)
            yield from self._of_file(file, skipped, is_last=file is files[-1])

    def between(self, since_rx_ns: int, until_rx_ns: int) -> Iterator[FeedLine]:
        """Lines received in [since, until), without what came before: only the parts of files they are in are read."""
        for file in self.manifest.files:
            if file.last_rx_ns < since_rx_ns or file.first_rx_ns >= until_rx_ns:
                continue
            earlier = [point for point in file.seek if point.rx_ns < since_rx_ns]
            at_byte, skipped = (earlier[-1].byte, 0) if earlier else (0, _header_lines(file) + file.preamble)
            for line in self._of_file(file, skipped, is_last=True, at_byte=at_byte):
                if line.received_at_ns >= until_rx_ns:
                    break
                if line.received_at_ns >= since_rx_ns:
                    yield line

    def _of_file(self, file: RecordedFile, skipped: int, *, is_last: bool, at_byte: int = 0) -> Iterator[FeedLine]:
        path = self.folder / file.name
        if file.cut == MISSING:
            raise CaptureError(path, f"{MISSING}: put it back")
        ends_early = bool(file.cut) and is_last
        reader = FileReader(path, at_byte) if is_file_name(file.name) else PlainReader(path)
        for texts in reader.blocks():
            number = reader.lines - len(texts)
            for text in texts:
                number += 1
                if number <= skipped:
                    continue
                try:
                    line = read_line(text)
                except (ValueError, RecursionError) as error:
                    if ends_early:
                        return
                    raise CaptureError(path, f"is no line of a feed ({error})", number) from error
                yield line
        if reader.cut and not ends_early:
            raise CaptureError(path, f"is {reader.cut}: get the file again")


def _header_lines(file: RecordedFile) -> int:
    """Lines that say what the file is; a plain log has none."""
    return int(is_file_name(file.name))
