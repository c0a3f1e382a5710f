"""The command line as a user has it: words in, exit code and both outputs out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.database_fixtures import run_apart
from tests.storage.scripted_session import START_NS

from triplegain.cli import main
from triplegain.domain.clock import ManualClock
from triplegain.storage.database import Database
from triplegain.storage.session_store import SessionStore


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str


Run = Callable[..., Ran]
Stored = Callable[[Callable[[SessionStore], Awaitable[None]]], None]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """One command, in a home of its own and a terminal of 80 columns, away from the environment of the tester."""
    for name in ("TRIPLEGAIN_TRADING_MODE", "TRIPLEGAIN_CONFIG_DIR", "TRIPLEGAIN_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRIPLEGAIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")

    def execute(*words: str) -> Ran:
        capsys.readouterr()
        code = main(words)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return execute


@pytest.fixture
def stored(run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Stored:
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
