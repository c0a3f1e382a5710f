"""A real PostgreSQL for every test that needs one: one server for the run, a fresh migrated database for each test."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from triplegain.storage.embedded import DATABASE, EmbeddedCluster
from triplegain.storage.migrations import migrate

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_TEMPLATE = "migrated"
_numbers = count(1)
_Result = TypeVar("_Result")


def run_apart(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run to the end on a loop of its own, so that a test's loop is not disturbed."""
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(coroutine))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def other_database(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return url.replace(f"/{DATABASE}?", f"/{name}?")


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _make_template(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _TEMPLATE):
            return
    finally:
        await connection.close()
    await _execute(url, "CREATE DATABASE migrating")
    await migrate(other_database(url, "migrating"), MIGRATIONS)
    await _execute(url, f"ALTER DATABASE migrating RENAME TO {_TEMPLATE}")


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a throwaway server, shared by the workers of the run; the last worker stops it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with EmbeddedCluster(shared / "postgres", durable=False) as url:
        with (shared / "template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            run_apart(_make_template(url))
        yield url


@pytest.fixture
def database_url(database_server: str) -> Iterator[str]:
    """URL of a fresh database with every migration applied."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    run_apart(_execute(database_server, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}"))
    yield other_database(database_server, name)
    run_apart(_execute(database_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def empty_database_url(database_server: str) -> Iterator[str]:
    """URL of a fresh database without a single table."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    run_apart(_execute(database_server, f"CREATE DATABASE {name}"))
    yield other_database(database_server, name)
    run_apart(_execute(database_server, f"DROP DATABASE {name} WITH (FORCE)"))
