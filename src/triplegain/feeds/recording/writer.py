"""The files of one run of a recording, one after the other, and the manifest beside them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import zstandard

from triplegain import __version__
from triplegain.domain.clock import SECOND_NS, Clock
from triplegain.feeds.recording.folder import (
    DiskBudget,
    RecordingError,
    load_manifest,
    recorded_instruments,
    with_files,
)
from triplegain.feeds.recording.manifest import (
    VERSION,
    RecordedFile,
    Run,
    file_name,
    file_names,
    file_number,
    write_manifest,
)
from triplegain.feeds.recording.recorded_file import FileHeader, LineTally
from triplegain.feeds.recording.recording import ASSET_PAIRS
from triplegain.feeds.recording.settings import MEGABYTE, RecorderSettings
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.feed_line import FeedLine, ReplyLine, write_line

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
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self._tally = LineTally(path.name, header.run, header.preamble)
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
            self._tally.can_begin(rx_ns, self.size_bytes, self._lines)
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
        return self._tally.closed(self._plain_bytes, self.size_bytes, self._hash.hexdigest())

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


#: Bytes written between two looks at the free space of the disk.
_CHECK_BYTES = 4 * MEGABYTE


class RecordingWriter:
    """Writes where it is told to, at once. Raises RecordingError and OSError when it cannot go on.

    A folder that has a recording gets another run of it, of the same instruments.
    """

    def __init__(self, folder: Path, settings: RecorderSettings, clock: Clock) -> None:
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._budget = DiskBudget(folder, settings.root, settings.disk_bytes_max, settings.disk_bytes_free_min)
        self.manifest = load_manifest(folder)
        before = self.manifest.runs[-1] if self.manifest.runs else None
        if before is not None and before.symbols != settings.symbols:
            raise RecordingError(
                f"{folder} is a recording of {', '.join(before.symbols)}: name another folder "
                f"for {', '.join(settings.symbols)}"
            )
        self._run = Run(
            before.run + 1 if before else 1,
            clock.now_ns(),
            settings.symbols,
            settings.book_depth,
            settings.stale_after_ns,
            f"TripleGain {__version__}",
        )
        self._file: RecordingFile | None = None
        self._numbers = max((file_number(name) for name in file_names(folder)), default=0)
        self._numbers = max([self._numbers, *(file_number(file.name) for file in self.manifest.removed)])
        self._elsewhere_bytes = self._budget.used_elsewhere("")
        self._checked_bytes = -_CHECK_BYTES
        #: Lines and bytes of this run so far.
        self.lines = 0
        self.closed_bytes = 0
        #: Set once for each file: it has its size, the next one should begin.
        self.is_full = False
        self._told_full = False

    @property
    def file_bytes(self) -> int:
        return self._file.size_bytes if self._file else 0

    @property
    def disk_bytes_left(self) -> int:
        return max(self._settings.disk_bytes_max - self._elsewhere_bytes - self.file_bytes, 0)

    def begin_file(self, preamble: Sequence[FeedLine]) -> None:
        """Close the file and begin the next; `preamble` is for readers who begin there."""
        self._close_file()
        self._numbers += 1
        path = self._folder / file_name(self._numbers)
        said = asdict(self._run) | {"recording": VERSION, "file": self._numbers, "preamble": len(preamble)}
        self._file = RecordingFile(path, msgspec.convert(said, FileHeader), preamble)
        self._elsewhere_bytes = self._budget.used_elsewhere(path.name)
        self._told_full = False
        self._keep_to_budget()

    def write(self, lines: Sequence[FeedLine]) -> None:
        file = self._file
        assert file is not None, "a file is begun before lines are written"
        file.write(lines)
        first = not self.lines
        self.lines += len(lines)
        if first:
            self._describe(lines[0])
        if file.size_bytes >= self._settings.file_bytes_max and not self._told_full:
            self.is_full = self._told_full = True
        self._keep_to_budget()

    def close(self, mismatches: Mapping[str, int] | None, problem: str = "") -> None:
        """Close the last file, and say in the manifest how the run ended."""
        self._close_file()
        if self.lines:
            self._run = replace(self._run, mismatches=None if mismatches is None else dict(mismatches), problem=problem)
            self._save()

    def abandon(self) -> None:
        """Leave the last file as it is."""
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def _close_file(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        closed = file.close()
        self.closed_bytes += closed.size_bytes
        self.manifest = with_files(self.manifest, [*self.manifest.files, closed])
        self._save()

    def _keep_to_budget(self) -> None:
        written = self.closed_bytes + self.file_bytes
        if written >= self._checked_bytes + _CHECK_BYTES:
            self._checked_bytes = written
            self._budget.check_free()
        if self._file is None or self._elsewhere_bytes + self.file_bytes <= self._settings.disk_bytes_max:
            return
        name = self._file.path.name
        self.manifest, gone = self._budget.make_room(self.manifest, name, self.file_bytes, self._clock.now_ns())
        if gone:
            self._save()
        for path in gone:
            path.unlink(missing_ok=True)
        self._elsewhere_bytes = self._budget.used_elsewhere(name)

    def _describe(self, first: FeedLine) -> None:
        """Instruments, from the reply with which a run begins; the manifest is there from then on."""
        if isinstance(first, ReplyLine) and first.path.startswith(ASSET_PAIRS):
            try:
                found = recorded_instruments(first.reply, self._settings.symbols)
            except FeedError:
                found = ()
            self.manifest = replace(self.manifest, instruments=found or self.manifest.instruments)
        self._save()

    def _save(self) -> None:
        runs = {run.run: run for run in (*self.manifest.runs, self._run)}
        self.manifest = replace(self.manifest, runs=tuple(runs[number] for number in sorted(runs)))
        write_manifest(self._folder, self.manifest)
