"""The one folder that holds everything a user would miss: database, keys, logs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from triplegain.config.errors import ConfigurationError

HOME_VARIABLE = "TRIPLEGAIN_HOME"


def home_dir(environ: Mapping[str, str] | None = None, *, platform: str = sys.platform, create: bool = True) -> Path:
    """TRIPLEGAIN_HOME, else the platform's data folder for this user; absolute. Made with mode 0700 if absent.

    Raises ConfigurationError if it is not a folder or cannot be made.
    """
    environ = os.environ if environ is None else environ
    try:
        folder = _named(environ, platform).absolute()
    except RuntimeError as error:
        raise ConfigurationError(f"this user has no home folder ({error}): set {HOME_VARIABLE} to a folder") from None
    if create:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot use {folder} as TripleGain's folder ({error.strerror}): set {HOME_VARIABLE} to another"
            ) from error
    return folder


def _named(environ: Mapping[str, str], platform: str) -> Path:
    chosen = environ.get(HOME_VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser()
    user = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or user / "AppData" / "Local") / "triplegain"
    if platform == "darwin":
        return user / "Library" / "Application Support" / "triplegain"
    shared = Path(environ.get("XDG_DATA_HOME") or "")
    return (shared if shared.is_absolute() else user / ".local" / "share") / "triplegain"
