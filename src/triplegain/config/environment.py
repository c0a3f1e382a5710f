"""The environment: the process's own variables over those of `.env` files, and `${VAR:-default}` in the YAML."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from triplegain import resources
from triplegain.config.yaml_text import ConfigurationError

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


_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def dotenv_files(environ: Mapping[str, str]) -> list[Path]:
    """The `.env` files that exist: the checkout's, then the one in TRIPLEGAIN_HOME. The first to name a value wins."""
    folders = [folder for folder in (resources.checkout_dir(), home_dir(environ, create=False)) if folder]
    return [file for file in (folder / ".env" for folder in folders) if file.is_file()]


def read_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of the process (default: os.environ), completed by the `.env` files. Nothing is exported or logged."""
    own = os.environ if environ is None else environ
    merged: dict[str, str] = {}
    for file in reversed(dotenv_files(own)):
        merged.update({name: value for name, value in dotenv_values(file, interpolate=False).items() if value})
    return {**merged, **own}


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Fill `${VAR}` and `${VAR:-default}`; the default also stands in for an empty variable.

    Raises KeyError with the name of a variable that is unset and has no default.
    """

    def fill(reference: re.Match[str]) -> str:
        name, default = reference.groups()
        value = environ.get(name, "")
        if value or default is not None:
            return value or default or ""
        if name in environ:
            return ""
        raise KeyError(name)

    return _REFERENCE.sub(fill, text)
