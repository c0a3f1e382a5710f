"""The environment: the process's own variables over those of `.env` files, and `${VAR:-default}` in the YAML."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from triplegain import resources
from triplegain.config.home import home_dir

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
