"""The command line in front of a running session."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.api.stored_control import StoredControl
from tests.app.paper_process import NO_KRAKEN
from tests.cli.running_session import running
from tests.database_fixtures import run_apart
from tests.storage.scripted_session import START_NS

from triplegain.cli import main
from triplegain.domain.clock import ManualClock
from triplegain.storage.database import Database
from triplegain.storage.session_store import SessionStore


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Tg = Callable[..., Said]
Stored = Callable[[Callable[[SessionStore], Awaitable[None]]], None]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TRIPLEGAIN_TRADING_MODE", "TRIPLEGAIN_CONFIG_DIR", "TRIPLEGAIN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRIPLEGAIN_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    for name, nowhere in NO_KRAKEN.items():
        monkeypatch.setenv(name, nowhere)
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


@pytest.fixture
def stored(home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Stored:
    """Writes into the database that the commands will read."""
    monkeypatch.setenv("TRIPLEGAIN_DATABASE_URL", database_url)

    def write(steps: Callable[[SessionStore], Awaitable[None]]) -> None:
        async def with_store() -> None:
            database = await Database.connect(database_url)
            store = SessionStore(database, ManualClock(START_NS))
            try:
                await steps(store)
            finally:
                await store.close()
                await database.close()

        run_apart(with_store())

    return write
