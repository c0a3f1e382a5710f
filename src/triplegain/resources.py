"""Where the files that travel with the code are: in a checkout at its top level, in a wheel inside the package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def checkout_dir() -> Path | None:
    """The checkout this code runs from; None when it is installed from a wheel."""
    root = _PACKAGE.parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "migrations").is_dir() else None


def config_dir() -> Path:
    """Folder of the YAML files that come with TripleGain."""
    return _resource("config")


def migrations_dir() -> Path:
    """Folder of the numbered SQL files."""
    return _resource("migrations")


def _resource(name: str) -> Path:
    root = checkout_dir()
    return root / name if root else _PACKAGE / "_resources" / name
