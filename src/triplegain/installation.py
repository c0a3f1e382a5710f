"""The environment that `./tg` has made: held as long as something runs in it, and given back to be mended."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

#: The last file of a set-up: without it the environment counts as not installed.
_STAMP = ".installed"


@cache
def held() -> int | None:
    """A handle by which nobody removes the environment while it is open here, or in a program that is given it.

    None where `./tg` has not made it.
    """
    folder = Path(sys.prefix).resolve()
    if sys.platform == "win32" or not (folder / _STAMP).is_file():
        return None
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        # Being removed at this very moment, or on a file system without locks.
        os.close(handle)
        return None
    return handle


def damaged(error: ModuleNotFoundError) -> str:
    """What to do where a package is missing; what `./tg` has made it makes anew at the next run."""
    missing = f"a part of the installation is missing ({error.name})"
    stamp = Path(sys.prefix, _STAMP)
    if not stamp.is_file():
        return f"{missing}: install triplegain again"
    try:
        stamp.unlink()
    except OSError:
        return f"{missing}: remove the folder {sys.prefix}, and the next ./tg sets it up again"
    return f"{missing}: run the same command again, it mends that first"
