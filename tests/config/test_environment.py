"""Variables of the process, `.env` files, and their places in the YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from triplegain.config.loader import read_environment, substitute


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain", "plain"),
        ("${A}", "one"),
        ("x${A}y${B:-two}", "xoneytwo"),
        ("${A:-other}", "one"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("$A {A} $", "$A {A} $"),
        ("${NESTED}", "${A}"),
    ],
)
def test_references_are_filled_once(text: str, filled: str) -> None:
    assert substitute(text, {"A": "one", "EMPTY": "", "NESTED": "${A}"}) == filled


def test_an_unset_variable_without_default_is_named() -> None:
    with pytest.raises(KeyError, match="NONE"):
        substitute("${NONE}", {})


def test_the_process_wins_over_the_file_and_the_file_fills_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB='from file'\n# C=no\nD=$A\n", encoding="utf-8")
    (tmp_path / ".env").chmod(0o600)
    environ = read_environment({"TRIPLEGAIN_HOME": str(tmp_path), "A": "process"})
    assert (environ["A"], environ["B"], environ["D"]) == ("process", "from file", "$A")
    assert "C" not in environ


def test_reading_exports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("TG_TEST_SECRET=hunter2\n", encoding="utf-8")
    (tmp_path / ".env").chmod(0o600)
    monkeypatch.setenv("TRIPLEGAIN_HOME", str(tmp_path))
    assert read_environment()["TG_TEST_SECRET"] == "hunter2"
    with pytest.raises(KeyError):
        import os

        os.environ["TG_TEST_SECRET"]
