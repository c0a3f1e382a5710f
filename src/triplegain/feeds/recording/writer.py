"""The files of one run of a recording, one after the other, and the manifest beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from triplegain import __version__
from triplegain.domain.clock import Clock
from triplegain.feeds.recording.disk import DiskBudget
from triplegain.feeds.recording.file import RecordingFile
from triplegain.feeds.recording.folder import RecordingError, load_manifest, recorded_instruments, with_files
from triplegain.feeds.recording.manifest import (
    VERSION,
    Run,
    file_name,
    file_names,
    file_number,
    write_manifest,
)
from triplegain.feeds.recording.plain import ASSET_PAIRS
from triplegain.feeds.recording.reader import FileHeader
from triplegain.feeds.recording.settings import MEGABYTE, RecorderSettings
from triplegain.market.feed import FeedError
from triplegain.venues.kraken.feed_line import FeedLine, ReplyLine

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
        self._file = RecordingFile(
            path,
            FileHeader(
                VERSION,
                self._run.run,
                self._numbers,
                len(preamble),
                self._run.started_at_ns,
                self._run.symbols,
                self._run.book_depth,
                self._run.stale_after_ns,
                self._run.recorder,
            ),
            preamble,
        )
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
