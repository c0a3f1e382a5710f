"""How much disk recordings may take: the oldest closed files go first, and the disk is never filled up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from triplegain.feeds.recording.folder import FolderLock, RecordingError, is_recording, with_files
from triplegain.feeds.recording.manifest import (
    Manifest,
    RecordedFile,
    RemovedFile,
    file_names,
    read_manifest,
    write_manifest,
)
from triplegain.feeds.recording.settings import MEGABYTE


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
        with FolderLock(file.folder):
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
