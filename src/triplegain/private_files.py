"""What holds secrets is for its user alone: whoever else could read or write it could take the session over."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

_OTHERS_READ_OR_WRITE = 0o066


def why_not_private(path: Path) -> str:
    """In words, with the command that mends it; empty where all is well or nothing is there.

    Whatever belongs to root is private to us as far as it can be; root takes any owner.
    """
    try:
        found = path.stat()
    except OSError:
        return ""
    if os.name != "posix":
        return ""
    quoted = shlex.quote(str(path))
    if os.geteuid() != 0 and found.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to another user (uid {found.st_uid}): sudo chown -R {os.geteuid()} {quoted}"
    if found.st_mode & _OTHERS_READ_OR_WRITE:
        mode = stat.S_IMODE(found.st_mode)
        return f"others can read or write {path} (mode {mode:04o}): chmod go-rw {quoted}"
    return ""
