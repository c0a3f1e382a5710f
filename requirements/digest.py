"""Prints what the lock files were made from: a hash of the dependencies in pyproject.toml."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path


def dependency_digest(pyproject: Path) -> str:
    """`sha256:…` over everything in `pyproject` that decides what is installed."""
    table = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    decisive = [table["project"]["dependencies"], table["project"]["requires-python"], table["dependency-groups"]]
    return "sha256:" + hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    print(dependency_digest(Path(__file__).resolve().parent.parent / "pyproject.toml"))
