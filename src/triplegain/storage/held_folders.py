"""The folders of a running server, held open: they can be told from others, and reached, wherever they are by now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HeldFolders:
    """Of a cluster and of the folder around it; close them when done."""

    _folder: tuple[Path, int]
    _cluster: tuple[Path, int]

    @classmethod
    def of(cls, folder: Path, cluster: Path) -> HeldFolders:
        flags = os.O_RDONLY | os.O_DIRECTORY
        handle = os.open(folder, flags)
        try:
            return cls((folder, handle), (cluster, os.open(cluster, flags)))
        except BaseException:
            os.close(handle)
            raise

    @property
    def are_in_place(self) -> bool:
        """Nobody has moved or removed them."""
        return all(in_place(path, os.fstat(handle)) for path, handle in (self._folder, self._cluster))

    @property
    def cluster(self) -> Path:
        """The way to the cluster, also where it has been moved, or removed under its server."""
        return Path(f"/proc/self/fd/{self._cluster[1]}")

    def close(self) -> None:
        for _, handle in (self._folder, self._cluster):
            os.close(handle)


def in_place(path: Path, status: os.stat_result) -> bool:
    """Whether that is at this path still. A disk that does not answer has not moved."""
    try:
        return os.path.samestat(path.stat(), status)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
