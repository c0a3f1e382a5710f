"""The owner's way to a running process: a unix socket in its folder, one a process, that nobody else can fill.

The folder is 0700 and the socket 0600; who is connected says the kernel.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triplegain.api.address import locked
from triplegain.domain.errors import TripleGainError

#: Bytes of a path that the kernel takes for a socket.
_PATH_MAX = 107 if sys.platform == "linux" else 103
_DESCRIPTORS = Path("/proc/self/fd")
#: Of macOS and BSD: the option that tells the peer, and the length of what it tells.
_LOCAL_PEERCRED, _XUCRED_LENGTH = 1, 76
_WAITING_MAX = 64


class OwnerSocketError(TripleGainError):
    """The socket of the owner cannot be made."""

    exit_code = 8


def socket_of(folder: Path, pid: int) -> Path:
    return folder / f"{pid}.sock"


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name of the socket that is short enough to bind or to connect to, inside this block.

    Too long a path is reached through its folder, held open; where the system has no names for what is held open, the
    process goes there meanwhile.
    """
    if len(os.fsencode(path)) <= _PATH_MAX:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _DESCRIPTORS.is_dir():
            yield f"{_DESCRIPTORS}/{folder}/{path.name}"
        else:
            before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fchdir(folder)
                yield path.name
            finally:
                os.fchdir(before)
                os.close(before)
    finally:
        os.close(folder)


def listen(path: Path) -> socket.socket:
    """Mode 0600; sockets on which nobody listens any more are removed. Raises OwnerSocketError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with locked(path.parent):
            _remove_dead(path.parent)
            with reachable(path) as name:
                listener.bind(name)
            path.chmod(0o600)
            listener.listen(_WAITING_MAX)
    except OSError as error:
        listener.close()
        raise OwnerSocketError(f"cannot listen on {path}: {error.strerror or error}") from error
    return listener


def _remove_dead(folder: Path) -> None:
    for path in folder.glob("*.sock"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(0)
            with reachable(path) as name:
                try:
                    probe.connect(name)
                except ConnectionRefusedError:
                    path.unlink()


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end. Raises OSError."""
    if sys.platform == "linux":
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", told)[1])
    told = connection.getsockopt(0, _LOCAL_PEERCRED, _XUCRED_LENGTH)
    return int(struct.unpack_from("2I", told)[1])
