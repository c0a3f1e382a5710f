"""A folder with a recording in it: its lock, and its manifest as the files are, not as it was last written."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Self

from triplegain.domain.money import text
from triplegain.feeds.recording.manifest import (
    MANIFEST_NAME,
    Manifest,
    RecordedFile,
    RecordedInstrument,
    Run,
    added,
    file_names,
    read_manifest,
)
from triplegain.feeds.recording.reader import FileReader, read_header
from triplegain.feeds.recording.tally import scan_file
from triplegain.market.feed import CaptureError, FeedError
from triplegain.venues.kraken.feed_line import ReplyLine, read_line
from triplegain.venues.kraken.pairs import instruments_of

LOCK_NAME = "recording.lock"

#: `cut` of a file that the manifest lists and the folder lacks.
MISSING = "the file is missing"


class RecordingError(FeedError):
    """A recording that cannot be begun or taken up."""


class FolderLock:
    """One writer for a folder. It lasts as long as the process at most."""

    def __init__(self, folder: Path) -> None:
        """Raises RecordingError while another holds it, OSError where the folder cannot be written."""
        self._file = os.open(folder / LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise RecordingError(
                f"{folder} is being recorded by another process: stop that one first, or name another folder"
            ) from None

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def is_being_recorded(folder: Path) -> bool:
    """Whether a process is writing here now."""
    try:
        file = os.open(folder / LOCK_NAME, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def is_recording(folder: Path) -> bool:
    """Whether a recording is in this very folder."""
    if not folder.is_dir():
        return False
    if (folder / MANIFEST_NAME).is_file() and read_manifest(folder) is not None:
        return True
    return any(read_header(folder / name) is not None for name in file_names(folder))


def load_manifest(folder: Path) -> Manifest:
    """The manifest, with what is on the disk now: files it does not list, or lists with another size, are read.

    Nothing is written. Raises CaptureError for a file that is none of a recording.
    """
    manifest = read_manifest(folder) or Manifest()
    listed = {file.name: file for file in manifest.files}
    removed = {file.name for file in manifest.removed}
    found = {name: _file(folder / name, listed.get(name)) for name in file_names(folder) if name not in removed}
    gone = {name: replace(file, cut=MISSING) for name, file in listed.items() if name not in found}
    files = [file for _, file in sorted({**found, **gone}.items()) if file is not None]
    runs = {run.run: run for run in manifest.runs}
    for file in files:
        if file.run not in runs:
            runs[file.run] = _run_of(folder / file.name)
    manifest = replace(manifest, runs=tuple(runs[number] for number in sorted(runs)))
    if not manifest.instruments and files:
        manifest = replace(manifest, instruments=_instruments_in(folder, files[0], manifest.symbols))
    return with_files(manifest, files)


def with_files(manifest: Manifest, files: Iterable[RecordedFile]) -> Manifest:
    """The manifest with these files, added up anew."""
    files = tuple(files)
    counts = added(*(file.counts for file in manifest.removed), *(file.counts for file in files))
    return replace(manifest, files=files, counts=counts)


def recorded_instruments(asset_pairs_reply: bytes, symbols: Iterable[str]) -> tuple[RecordedInstrument, ...]:
    """Steps and minimums of the pairs in a reply. Raises FeedError if it is none."""
    return tuple(
        RecordedInstrument(one.symbol, *map(text, (one.tick, one.lot, one.quantity_min, one.cost_min)))
        for one in instruments_of(asset_pairs_reply, symbols).values()
    )


def _file(path: Path, listed: RecordedFile | None) -> RecordedFile | None:
    if listed is not None and listed.cut != MISSING and path.stat().st_size == listed.size_bytes:
        return listed
    found = scan_file(path)
    if found is not None and listed is not None and listed.sha256 != found.sha256:
        found = replace(found, sha256=listed.sha256, cut=found.cut or "not the file that was recorded")
    return found


def _run_of(path: Path) -> Run:
    header = read_header(path)
    if header is None:
        raise CaptureError(path, "is no file of a recording: its first line does not say so")
    return Run(
        header.run, header.started_at_ns, header.symbols, header.book_depth, header.stale_after_ns, header.recorder
    )


def _instruments_in(folder: Path, file: RecordedFile, symbols: tuple[str, ...]) -> tuple[RecordedInstrument, ...]:
    """From the reply to AssetPairs, with which a run begins."""
    for lines in FileReader(folder / file.name).blocks():
        for first in lines[1:2]:
            try:
                line = read_line(first)
                if isinstance(line, ReplyLine):
                    return recorded_instruments(line.reply, symbols)
            except (ValueError, FeedError):
                return ()
    return ()
