"""What to do about what an operating system or PostgreSQL says when a database cannot be made or started."""

from __future__ import annotations

from pathlib import Path

#: Words in what is said, the rarer first, and what to do about them; `{folder}` is where the database lies.
_REMEDIES = (
    (
        ("/dev/shm", "shared memory", "Bus error", "dynamic shared"),
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
    for words, action in _REMEDIES:
        if any(word.casefold() in said.casefold() for word in words):
            return f". {action.format(folder=folder)}"
    return ""
