"""The command line in front of a running session."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.api.stored_control import StoredControl
from tests.cli.running_session import running

from triplegain.cli import main


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Tg = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIPLEGAIN_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def tg(home: Path, capsys: pytest.CaptureFixture[str]) -> Tg:
    """One command, as a user types it."""

    def run(*words: str) -> Said:
        code = main(words)
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def system(database_url: str, home: Path) -> Iterator[StoredControl]:
    with running(database_url, home) as control:
        yield control
