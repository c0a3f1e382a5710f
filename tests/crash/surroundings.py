"""What a home stands on: a disk that can be filled up, and a wall clock that can be set."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.app.other_user import environment

_DISK_BYTES = 192 * 2**20
_BALLAST = "ballast"
#: Where Debian's package libfaketime has it.
_FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
_SITE = Path(__file__).resolve().parent / "clock_site"


def why_no_disk() -> str:
    """Why no small disk can be had here; empty if one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root on Linux can mount a small file system to fill up"
    return _mounting_fails()


@cache
def _mounting_fails() -> str:
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    tried = subprocess.run(probe, capture_output=True, check=False)
    return f"mounting is not allowed here: {tried.stderr.decode().strip()}" if tried.returncode else ""


@contextmanager
def mounted_disk(folder: Path) -> Iterator[None]:
    """A file system of its own over an empty folder, which keeps its owner."""
    owner = folder.stat()
    options = f"size={_DISK_BYTES},mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(folder: Path) -> None:
    """Not one more block fits."""
    block = b"\0" * 2**20
    with (folder / _BALLAST).open("ab", buffering=0) as ballast:
        for size in (2**20, 4096):
            try:
                while ballast.write(block[:size]) == size:
                    pass
            except OSError:
                continue


def free(folder: Path) -> None:
    (folder / _BALLAST).unlink(missing_ok=True)


def why_no_clock() -> str:
    return "" if _FAKETIME else "no libfaketime: on Debian `apt-get install faketime` brings it"


class SetClock:
    """A wall clock for a program and for all that it starts, right until `step`. Steady clocks go on as they were."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.step(0)

    def step(self, hours: float) -> None:
        """Set it so far from the real time; negative: back."""
        # Renamed: who reads it never finds half of it.
        written = self._file.with_suffix(".new")
        written.write_text(f"{hours * 3600:+.0f}\n")
        written.chmod(0o644)
        written.rename(self._file)

    @property
    def environ(self) -> dict[str, str]:
        """What a program is started with. The server's clean environment gets it from `clock_site`."""
        return {
            "LD_PRELOAD": str(_FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            # Its memory is shared under the name of one user.
            "FAKETIME_DISABLE_SHM": "1",
            "PYTHONPATH": os.pathsep.join([str(_SITE), environment(Path("/"))["PYTHONPATH"]]),
        }
