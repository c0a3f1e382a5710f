"""Commands given by another user than the one who runs the tests, on homes that are not theirs."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.app.paper_process import NO_KRAKEN, SOURCES

#: A user of no system.
STRANGER = 54_321
_IMPORT = "import triplegain.cli.paper"


@cache
def interpreter_of(uid: int) -> str:
    """A Python with our packages that this user can run; empty if there is none."""
    others = (shutil.which(name, path=os.defpath) or "" for name in ("python3.11", "python3"))
    return next(
        (place for place in (sys.executable, *others) if place and _runs([place, "-P", "-c", _IMPORT], uid)), ""
    )


def why_not(uid: int) -> str:
    """Why nothing can be run as that user here; empty if it can."""
    if os.geteuid() != 0:
        return "only root can be another user"
    return "" if interpreter_of(uid) else "no Python with our packages that another user can run"


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    packages = os.pathsep.join([str(SOURCES), *site.getsitepackages()])
    return {"PATH": os.defpath, "PYTHONPATH": packages, "TRIPLEGAIN_HOME": str(home), **NO_KRAKEN, **(more or {})}


def become(uid: int) -> dict[str, Any]:
    """For `subprocess`: the user to become; root stays as it is."""
    return {"user": uid, "group": uid, "extra_groups": []} if uid else {}


@contextmanager
def home_of(uid: int) -> Iterator[Path]:
    """A private, empty home of that user, in a folder that everybody may pass; what runs in it must have ended."""
    with tempfile.TemporaryDirectory(prefix="tg-test-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        os.chown(home, uid, uid)
        yield home


@contextmanager
def without_namespaces() -> Iterator[str]:
    """A PATH on which no user namespace can be made, as in most containers."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        blocked = Path(folder) / "unshare"
        blocked.write_text("#!/bin/sh\nexit 1\n")
        blocked.chmod(0o755)
        yield f"{folder}{os.pathsep}{os.defpath}"


def tg(
    home: Path,
    *words: str,
    uid: int = 0,
    python: str = "",
    timeout_s: float = 120.0,
    environ: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """One command to its end."""
    return subprocess.run(
        [python or interpreter_of(uid), "-P", "-m", "triplegain", *words],
        env=environment(home, environ),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        **become(uid),
    )


def _runs(words: list[str], uid: int) -> bool:
    try:
        done = subprocess.run(
            words, env=environment(Path("/")), cwd="/", capture_output=True, check=False, **become(uid)
        )
    except OSError:
        return False
    return done.returncode == 0
