"""A folder with a recording in it: its lock, its manifest as the files are, and how much disk recordings may take."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from triplegain.domain.money import text
from triplegain.feeds.recording.manifest import (
    MANIFEST_NAME,
    Manifest,
    RecordedFile,
    RecordedInstrument,
    RemovedFile,
    Run,
    added,
    file_names,
    read_manifest,
    write_manifest,
)
from triplegain.feeds.recording.recorded_file import FileReader, read_header, scan_file
from triplegain.feeds.recording.settings import MEGABYTE
from triplegain.market.feed import CaptureError, FeedError
from triplegain.venues.kraken.feed_line import ReplyLine, read_line
from triplegain.venues.kraken.pairs import instruments_of

LOCK_NAME = "recording.lock"

#: `cut` of a file that the manifest lists and the folder lacks.
MISSING = "the file is missing"


class RecordingError(FeedError):
    """A recording that cannot be begun or taken up."""


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """One writer for a folder. It lasts as long as the process at most.

    Raises RecordingError while another holds it, OSError where the folder cannot be written.
    """
    with open(folder / LOCK_NAME, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RecordingError(
                f"{folder} is being recorded by another process: stop that one first, or name another folder"
            ) from None
        yield


def is_being_recorded(folder: Path) -> bool:
    """Whether a process is writing here now."""
    try:
        with (folder / LOCK_NAME).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
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
    if listed is not None and (found is None or listed.sha256 != found.sha256):
        known = found or listed
        found = replace(known, sha256=listed.sha256, cut=known.cut or "not the file that was recorded")
    return found


def _run_of(path: Path) -> Run:
    header = read_header(path)
    if header is None:
        raise CaptureError(path, "is no file of a recording: its first line does not say so")
    return msgspec.convert(header, Run, from_attributes=True)


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


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class _Stored:
    """A file that could go. `age_ns` orders files by when they were recorded."""

    age_ns: int
    folder: Path
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DiskBudget:
    """`bytes_max` for all recordings in the folders of `root`, or for one recording alone where there is no root.

    At least `free_min` bytes of the disk are left to everybody else.
    """

    folder: Path
    root: Path | None
    bytes_max: int
    free_min: int

    def check_free(self) -> None:
        """Raises RecordingError before the disk is so full that others cannot write."""
        left = free_bytes(self.folder)
        if left < self.free_min:
            raise RecordingError(
                f"only {left // MEGABYTE} MB are free on the disk of {self.folder}: recording has stopped so that "
                "there is room to trade; free some space, then start again"
            )

    def used_elsewhere(self, current: str) -> int:
        """Bytes of all recordings but the file `current` of this one."""
        return sum(file.size_bytes for file in self._stored(current))

    def make_room(
        self, manifest: Manifest, current: str, current_bytes: int, now_ns: int
    ) -> tuple[Manifest, tuple[Path, ...]]:
        """Choose the oldest closed files until the rest fits: the manifest without those of this recording, and these.

        Of other recordings they are removed here. Never `current`, and nothing of a recording that another process
        writes. Raises RecordingError when they do not fit even so.
        """
        stored = sorted(self._stored(current), key=lambda file: (file.age_ns, file.folder, file.name))
        used = current_bytes + sum(file.size_bytes for file in stored)
        own: list[Path] = []
        for file in stored:
            if used <= self.bytes_max:
                break
            if file.folder == self.folder:
                manifest = _without(manifest, file, now_ns)
                own.append(file.folder / file.name)
            elif not _removed_elsewhere(file, now_ns):
                continue
            used -= file.size_bytes
        if used > self.bytes_max:
            raise RecordingError(
                f"recordings take {used // MEGABYTE} MB of the {self.bytes_max // MEGABYTE} MB they may "
                "(recording.disk_mb_max in market.yaml) and the rest of them is being written: recording has stopped"
            )
        return manifest, tuple(own)

    def _stored(self, current: str) -> Iterator[_Stored]:
        folders = [self.folder]
        if self.root is not None and self.root.is_dir():
            folders += [each for each in self.root.iterdir() if each != self.folder and is_recording(each)]
        for folder in folders:
            manifest = read_manifest(folder)
            listed = {file.name: file for file in manifest.files} if manifest else {}
            for name in file_names(folder):
                if folder == self.folder and name == current:
                    continue
                stat = (folder / name).stat()
                recorded = listed[name].last_rx_ns if name in listed else 0
                yield _Stored(recorded or stat.st_mtime_ns, folder, name, stat.st_size)


def _removed_elsewhere(file: _Stored, now_ns: int) -> bool:
    """Remove a file of a recording that nobody writes; False if somebody does."""
    try:
        with folder_lock(file.folder):
            manifest = read_manifest(file.folder) or Manifest()
            # First the note, then the file: what is noted as removed is not read any more.
            write_manifest(file.folder, _without(manifest, file, now_ns))
            (file.folder / file.name).unlink(missing_ok=True)
    except (RecordingError, OSError):
        return False
    return True


def _without(manifest: Manifest, file: _Stored, now_ns: int) -> Manifest:
    if any(one.name == file.name for one in manifest.removed):
        return manifest
    found = next((one for one in manifest.files if one.name == file.name), RecordedFile(file.name, 0))
    gone = RemovedFile(
        file.name,
        found.run,
        found.lines,
        file.size_bytes,
        found.first_rx_ns,
        found.last_rx_ns,
        now_ns,
        found.counts,
    )
    manifest = replace(manifest, removed=(*manifest.removed, gone))
    return with_files(manifest, [one for one in manifest.files if one.name != file.name])
