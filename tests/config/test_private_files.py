"""A home, a `.env` or a file with a password that others can read or write is refused, with what mends it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from triplegain.config import ConfigurationError, home_dir, load_config, read_environment
from triplegain.private_files import why_not_private


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o750, 0o701, 0o711, 0o700])
def test_a_home_is_for_its_user_alone_and_the_command_that_is_named_mends_it(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "a home; with 'quotes'"
    home.mkdir()
    home.chmod(mode)
    environ = {"TRIPLEGAIN_HOME": str(home)}
    if not mode & 0o066:
        assert home_dir(environ) == home_dir(environ, create=False) == home
        return
    with pytest.raises(ConfigurationError, match="chmod"):
        home_dir(environ)
    with pytest.raises(ConfigurationError, match="chmod") as refused:
        home_dir(environ, create=False)
    subprocess.run(["sh", "-c", str(refused.value).partition("): ")[2]], check=True)
    assert home_dir(environ) == home


def test_an_env_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n")
    file.chmod(0o640)
    environ = {"TRIPLEGAIN_HOME": str(tmp_path)}
    with pytest.raises(ConfigurationError, match=r"chmod go-rw .*\.env"):
        read_environment(environ)
    file.chmod(0o600)
    assert read_environment(environ)["A"] == "1"


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("postgresql://me:secret@host/db", True),
        ("postgresql://me@host/db", False),
        ("${DB_URL}", False),
        ("''", False),
    ],
)
def test_a_password_stands_in_no_file_that_others_can_read(tmp_path: Path, url: str, refused: bool) -> None:
    file = tmp_path / "database.yaml"
    file.write_text(f"url: {url}\n")
    file.chmod(0o644)
    environ = {"DB_URL": "postgresql://me:secret@host/db"}
    if refused:
        with pytest.raises(ConfigurationError, match=r"database\.yaml:1: url: others can read.*chmod") as told:
            load_config(environ, tmp_path)
        assert "secret" not in str(told.value)
        file.chmod(0o600)
    load_config(environ, tmp_path)


def test_what_another_user_owns_is_not_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    assert why_not_private(tmp_path) == ""
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 12_345)
    reason = why_not_private(tmp_path)
    # What root owns is private as far as anything can be.
    assert (reason == "") is (owner == 0)
