"""The tables of docs/configuration.md are those of the models."""

from __future__ import annotations

from pathlib import Path

from triplegain import resources
from triplegain.config.reference import with_reference
from triplegain.config.tree import KEYS


def test_the_document_has_every_key_as_it_is() -> None:
    root = resources.checkout_dir()
    assert root is not None
    document = Path(root, "docs", "configuration.md").read_text(encoding="utf-8")
    assert document == with_reference(document), "run: .venv/bin/python -m triplegain.config.reference"
    for path in KEYS:
        assert f"`{'.'.join(path[1:])}`" in document


def test_every_key_is_described() -> None:
    assert [path for path, (key, _) in KEYS.items() if not key.says] == []
