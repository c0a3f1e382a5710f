"""What to do about what an operating system or PostgreSQL says when a database cannot be made or started."""

from __future__ import annotations

import shutil
from pathlib import Path

_FULL_BYTES = 5_000_000

#: Words in what is said, the rarer first, and what to do about them; `{folder}` is where the database lies.
_REMEDIES = (
    (
        ("/dev/shm", "shared memory segment", "Bus error"),  # nosec B108
        "The machine gives it too little shared memory: in a container start that with --shm-size=256m; "
        "elsewhere make /dev/shm larger",
    ),
    (
        ("No space left", "ENOSPC", "quota exceeded"),
        "The disk is full: free some space where {folder} lies and start again; nothing that was stored is lost",
    ),
    (("Read-only file system",), "The disk can only be read: set TRIPLEGAIN_HOME to a folder that can be written"),
    (
        ("Permission denied", "wrong ownership", "invalid permissions", "Operation not permitted"),
        "Make {folder} and all in it belong to the user who runs this (chown -R), with mode 700",
    ),
    (("look up effective user ID",), "This user has no name: run as one that /etc/passwd knows"),
    (("Cannot allocate memory", "out of memory"), "The machine has too little free memory: end other programs"),
    (("Too many open files",), "Raise the limit of open files (ulimit -n 4096)"),
    (
        ("could not locate a valid checkpoint", "pg_control", "invalid checkpoint", "PANIC"),
        "Its files are damaged: restore a backup into another TRIPLEGAIN_HOME",
    ),
)


def remedy(said: str, folder: Path) -> str:
    """A sentence to append; empty where nothing is known."""
    if _is_full(folder):
        # Then the server's own words may not have been written either.
        said = f"{said} No space left"
    for words, action in _REMEDIES:
        if any(word.casefold() in said.casefold() for word in words):
            return f". {action.format(folder=folder)}"
    return ""


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BYTES
    except OSError:
        return False


def essence(said: str) -> str:
    """What of a program's words says why it failed."""
    lines = said.strip().splitlines()
    why = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "error:", "could not"))]
    return " ".join(why[:2] or lines[-3:])[:600] or "it said nothing"
