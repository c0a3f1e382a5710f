"""What is recorded, and how much disk recordings may take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.configured import key
from triplegain.domain.written import integer
from triplegain.venues.kraken.settings import stale_after, watched_depth, watched_symbols

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class RecorderSettings:
    """What is recorded and how much disk it may take.

    `root` is the folder whose recordings share `disk_bytes_max`; None: this recording has it alone. A file is closed
    at `rotate_bytes`, or at a quarter of all that is allowed.
    """

    symbols: tuple[str, ...] = watched_symbols()
    book_depth: int = watched_depth()
    stale_after_ns: int = stale_after(lambda seconds: int(seconds * SECOND_NS))
    rotate_bytes: int = key(
        "rotate_mb", 64, integer(MEGABYTE, ge=1), "a recording's file is closed at this compressed size"
    )
    disk_bytes_max: int = key(
        "disk_mb_max", 10_240, integer(MEGABYTE, ge=1),
        "all recordings together; the oldest closed files go first",
    )  # fmt: skip
    disk_bytes_free_min: int = 512 * MEGABYTE
    root: Path | None = None
    pending_bytes_max: int = 64 * MEGABYTE

    @property
    def file_bytes_max(self) -> int:
        return min(self.rotate_bytes, self.disk_bytes_max // 4)
