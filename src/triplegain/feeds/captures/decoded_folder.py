"""The folder of decoded captures in a home: one file for each, named by all that its events depend on.

The name is a hash of the contents and the names of the capture's files (a name may tell the pair and the venue) and of
the code that decodes them: a capture that changes, and a program that reads it otherwise, look for another file. What
is not used any more goes in time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import triplegain
from triplegain.domain.errors import InvalidValueError
from triplegain.feeds.captures.decoded_file import DecodedFile, DecodedWriter, is_being_written
from triplegain.feeds.recording.folder import free_bytes

FOLDER = "decoded"
_SUFFIX = ".events"
_PART = ".part"
#: The rooms whose code says what a decoder tells.
_ROOMS = ("domain", "market", "venues", "feeds")
#: Room that is left on the disk for what matters more.
_FREE_MIN = 512 * 1_000_000


@dataclass(frozen=True, slots=True)
class DecodedFolder:
    """At most `bytes_max` in all: those that were not used for the longest time go first.

    Whatever goes wrong here is no fault of a replay: the capture is decoded as if there were no such folder.
    """

    folder: Path
    bytes_max: int

    def name_of(self, paths: Sequence[Path]) -> str:
        """Raises OSError where a file cannot be read."""
        told = hashlib.sha256(_DECODERS.encode())
        for path in paths:
            with path.open("rb") as file:
                contents = hashlib.file_digest(file, "sha256").hexdigest()
            told.update(f"\n{path.parent.name}/{path.name} {contents}".encode())
        return told.hexdigest()

    def find(self, name: str) -> DecodedFile | None:
        """The file, which counts as used now. One that is damaged is removed."""
        path = self._path(name)
        try:
            found = DecodedFile(path)
        except InvalidValueError:
            self.remove(name)
            return None
        except OSError:
            return None
        with contextlib.suppress(OSError):
            found.touch()
        return found

    def remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._path(name).unlink()

    def begin(self, name: str) -> DecodedWriter:
        """A new file. Raises OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._clear()
        return DecodedWriter(self.folder / f"{name}.{os.getpid()}-{os.urandom(4).hex()}{_PART}")

    def has_room(self, writer: DecodedWriter) -> bool:
        """For what is being made, for which others go as it grows. Raises OSError."""
        if writer.size_bytes > self.bytes_max:
            return False
        self._make_room(writer.path)
        return self._size() <= self.bytes_max and free_bytes(self.folder) >= _FREE_MIN

    def put(self, name: str, writer: DecodedWriter) -> None:
        """What was made takes its place; of two that were made at once the later one. Raises OSError."""
        os.replace(writer.path, self._path(name))
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        self._make_room(self._path(name))

    def drop(self, writer: DecodedWriter) -> None:
        """It is not wanted, or could not be finished."""
        with contextlib.suppress(OSError):
            writer.path.unlink(missing_ok=True)

    def used(self) -> tuple[int, int]:
        """How many files there are, and their bytes with those of files that are being made."""
        return len(self._files(_SUFFIX)), self._size()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"

    def _size(self) -> int:
        return sum(size for suffix in (_SUFFIX, _PART) for _, size, _ in self._files(suffix))

    def _files(self, suffix: str) -> list[tuple[int, int, Path]]:
        """(time of last use, bytes, path), the oldest first."""
        found = []
        for path in self.folder.glob(f"*{suffix}"):
            with contextlib.suppress(OSError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    found.append((status.st_mtime_ns, status.st_size, path))
        return sorted(found)

    def _make_room(self, keep: Path) -> None:
        size = self._size()
        for _, each, path in self._files(_SUFFIX):
            if size <= self.bytes_max:
                break
            if path != keep:
                path.unlink(missing_ok=True)
                size -= each

    def _clear(self) -> None:
        """Remove what a process that was killed has left."""
        for path in self.folder.glob(f"*{_PART}"):
            with contextlib.suppress(OSError):
                if not is_being_written(path):
                    path.unlink()


def _decoders() -> str:
    """The code that makes events of captures: another one may make others."""
    package = Path(triplegain.__file__).parent
    told = hashlib.sha256(triplegain.__version__.encode())
    for path in sorted(path for room in _ROOMS for path in (package / room).rglob("*.py")):
        told.update(f"\n{path.relative_to(package)}\n".encode() + path.read_bytes())
    return told.hexdigest()


#: As it is now, when this program loads it: an upgrade beside it does not put what this one tells under another name.
_DECODERS = _decoders()
