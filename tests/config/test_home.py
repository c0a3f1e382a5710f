"""The folder of everything worth keeping."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from triplegain.config import ConfigurationError, home_dir


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {"HOME": "/u"}, "/u/.local/share/triplegain"),
        ("linux", {"HOME": "/u", "XDG_DATA_HOME": "/x"}, "/x/triplegain"),
        ("linux", {"HOME": "/u", "XDG_DATA_HOME": "relative"}, "/u/.local/share/triplegain"),
        ("darwin", {"HOME": "/u", "XDG_DATA_HOME": "/x"}, "/u/Library/Application Support/triplegain"),
        ("win32", {"HOME": "/u", "LOCALAPPDATA": "/l"}, "/l/triplegain"),
        ("win32", {"HOME": "/u"}, "/u/AppData/Local/triplegain"),
        ("linux", {"HOME": "/u", "TRIPLEGAIN_HOME": " /t/g "}, "/t/g"),
        ("linux", {"HOME": "/u", "TRIPLEGAIN_HOME": "  "}, "/u/.local/share/triplegain"),
    ],
)
def test_the_place_depends_on_platform_and_environment(platform: str, environ: dict[str, str], folder: str) -> None:
    assert home_dir(environ, platform=platform, create=False) == Path(folder)


def test_a_relative_home_is_made_absolute() -> None:
    assert home_dir({"TRIPLEGAIN_HOME": "here"}, create=False) == Path.cwd() / "here"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_new_home_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = home_dir({"TRIPLEGAIN_HOME": str(tmp_path / "a" / "b")})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert home_dir({"TRIPLEGAIN_HOME": str(folder)}) == folder


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="set TRIPLEGAIN_HOME to another"):
        home_dir({"TRIPLEGAIN_HOME": str(tmp_path / "taken")})
