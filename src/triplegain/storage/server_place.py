"""Where the cluster of a home lies, who runs its server and how its socket is reached: decided once, and written down
in the home before anything is touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

import msgspec

from triplegain.storage import server_identity
from triplegain.storage.errors import StorageError
from triplegain.storage.postmaster import SOCKET_NAME
from triplegain.storage.server_identity import RunsAs, decide_runs_as

NOTE = "place.json"
#: A unix socket path holds 107 bytes on Linux, 103 elsewhere.
_SOCKET_PATH_BYTES_MAX = 100
_LINK = "s"


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """`data` is the cluster's folder, relative to the note's; `link` a private folder with a short way to it."""

    data: str
    runs_as: RunsAs
    link: str = ""


def check_folder(folder: Path) -> None:
    """Whether a cluster may be kept in this folder at all. Raises StorageError, with nothing touched."""
    if not str(folder).isprintable():
        raise StorageError(
            f"the path {str(folder)!r} has a line break or another character that cannot be shown, and PostgreSQL "
            "cannot work there: rename the folder, or set TRIPLEGAIN_HOME to another"
        )
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    owner = nearest.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        raise StorageError(
            f"{nearest} belongs to user {owner}, and this is root, who would lock that user out: run as that user "
            f"(sudo -u '#{owner}' …), or set TRIPLEGAIN_HOME to a folder of root"
        )


def decide_place(folder: Path) -> Place:
    """What the note in `folder` says, or for a cluster without one what is there; the note is written.

    Raises StorageError where there are two clusters, or the one that the note names is not there.
    """
    noted = _read(folder)
    data = _decide_data(folder, noted)
    runs_as = decide_runs_as(folder / data, noted.runs_as if noted else None)
    place = Place(data, runs_as, noted.link if noted else "")
    if place != noted:
        _write(folder, place)
    return place


def _decide_data(folder: Path, noted: Place | None) -> str:
    here, elsewhere = folder / "data", of_earlier_versions(folder) / "data"
    known = {here, elsewhere, *([folder / noted.data] if noted else [])}
    there = sorted(place for place in known if (place / "PG_VERSION").exists())
    if len(there) > 1:
        raise StorageError(
            f"there are two databases of this home: {' and '.join(map(str, there))}. Keep the one that holds your "
            "sessions and move the other away; nothing was changed"
        )
    if noted is not None and (folder / noted.data) != here and not there:
        raise StorageError(
            f"the database of this home lies in {folder / noted.data}, which is not there. Bring that folder back (a "
            f"volume that is not mounted?), or remove {folder / NOTE} to begin with an empty one"
        )
    return "data" if here in there or not there else str(there[0])


def of_earlier_versions(folder: Path) -> Path:
    """Where the clusters of private homes were kept as root without user namespaces."""
    digest = hashlib.blake2b(str(folder).encode(), digest_size=6).hexdigest()
    return server_identity.REACHABLE_FOLDER / f"postgres-{digest}"


def socket_folder(folder: Path, place: Place) -> tuple[Path, Place]:
    """A path to the cluster's socket that fits into an address, and the place with the link that this took.

    The link is in a folder of a random name that is ours alone; it is made anew where it is gone or somebody else's.
    """
    cluster = folder / place.data
    if len(os.fsencode(cluster / SOCKET_NAME)) <= _SOCKET_PATH_BYTES_MAX and "," not in str(cluster):
        return cluster, place
    if not _leads_to(place.link, cluster):
        made = _private_folder()
        os.symlink(cluster, made / _LINK)
        place = msgspec.structs.replace(place, link=str(made))
        _write(folder, place)
    return Path(place.link) / _LINK, place


def remove_link(place: Place) -> None:
    """When nobody needs the socket any more."""
    if not place.link:
        return
    with contextlib.suppress(OSError):
        handle = _open_private(place.link)
        try:
            os.unlink(_LINK, dir_fd=handle)
        finally:
            os.close(handle)
        os.rmdir(place.link)


def _leads_to(link: str, cluster: Path) -> bool:
    try:
        handle = _open_private(link)
    except OSError:
        return False
    try:
        return os.readlink(_LINK, dir_fd=handle) == str(cluster)
    except OSError:
        return False
    finally:
        os.close(handle)


def _open_private(folder: str) -> int:
    """Raises PermissionError if it is not a folder of ours alone, whatever a link says."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    status = os.fstat(handle)
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        os.close(handle)
        raise PermissionError(f"{folder} is not ours alone")
    return handle


def _private_folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="triplegain-"))
    if len(os.fsencode(made / _LINK / SOCKET_NAME)) > _SOCKET_PATH_BYTES_MAX:
        made.rmdir()
        # A random name of mode 0700, where TMPDIR is too long for a socket.
        made = Path(tempfile.mkdtemp(prefix="triplegain-", dir="/tmp"))  # nosec B108
    return made


def _read(folder: Path) -> Place | None:
    path = folder / NOTE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Place)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise StorageError(
            f"{path} cannot be read ({error}): put it back, or remove it if the database lies in {folder / 'data'}"
        ) from error


def _write(folder: Path, place: Place) -> None:
    """Whole or not at all, and on disk when this returns."""
    partial = folder / f"{NOTE}.new"
    with partial.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(place), indent=2))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / NOTE)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
