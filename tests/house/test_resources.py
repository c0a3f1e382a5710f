"""The files that travel with the code are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from triplegain import resources

ROOT = Path(__file__).resolve().parent.parent.parent


def test_in_a_checkout_they_are_at_the_top_level() -> None:
    assert resources.checkout_dir() == ROOT
    assert resources.config_dir() == ROOT / "config"
    assert resources.migrations_dir() == ROOT / "migrations"


def test_in_a_wheel_they_are_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lib" / "site-packages" / "triplegain"
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.checkout_dir() is None
    assert resources.config_dir() == package / "_resources" / "config"
    assert resources.migrations_dir() == package / "_resources" / "migrations"
