"""A real PostgreSQL for every test that needs one: one server for the run, one migrated database for each worker.

A test finds its database as the migrations left it: what the test before wrote is emptied away, and where that one
changed the schema the database is made anew.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import threading
from collections.abc import Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.migrations import migrate
from triplegain.storage.postmaster import DATABASE
from triplegain.storage.server_identity import RunsAs, ServerIdentity

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_TEMPLATE = "migrated"
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
#: Changes when a relation, a column, a constraint or a function is added, altered or removed.
_SCHEMA = """
SELECT concat_ws(' ',
    (SELECT concat(count(*), '-', sum(oid::bigint)) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT concat(count(*), '-', sum(xmin::text::bigint)) FROM pg_attribute WHERE attrelid IN
        (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)),
    (SELECT concat(count(*), '-', sum(oid::bigint)) FROM pg_constraint),
    (SELECT concat(count(*), '-', sum(xmin::text::bigint)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace))
"""
_END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_RESTART = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
WHERE last_value IS NOT NULL
"""
#: Of a table larger than this the deleted rows are cleared away at once.
_VACUUM_BYTES = 500_000
_numbers = count(1)
_Result = TypeVar("_Result")

#: Ends whoever writes a session of this database; a lock is seen from every database of a server.
END_WRITERS = """
SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND d.datname = current_database()
"""


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


@pytest.fixture(scope="session", autouse=True)
def copied_clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The first cluster that this process makes is kept, and those after it are copies: a quarter of the work."""
    make, kept = EmbeddedCluster._create, tmp_path_factory.mktemp("made") / "data"

    def copied(cluster: EmbeddedCluster, identity: ServerIdentity) -> None:
        if identity.runs_as is RunsAs.NOBODY:
            make(cluster, identity)
        elif kept.exists():
            shutil.copytree(kept, cluster.cluster, symlinks=True)
        else:
            make(cluster, identity)
            shutil.copytree(cluster.cluster, kept, symlinks=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddedCluster, "_create", copied)
        yield


class KnownTypes:
    """What each connection to one database asks about its enumerations and domains, asked once: it takes as long as
    everything else that most tests want of the server."""

    #: As asyncpg wants it of a statement that need not be prepared again.
    name = "known"

    def __init__(self, database: str) -> None:
        self._database = database
        self._known: dict[frozenset[int], Any] = {}

    def forget(self) -> None:
        self._known.clear()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        ask: Any = vars(asyncpg.Connection)["_introspect_types"]

        async def known(connection: Any, oids: set[int], timeout: float) -> Any:
            if connection._params.database != self._database:
                return await ask(connection, oids, timeout)
            asked = frozenset(oids)
            if asked not in self._known:
                told, statement = await ask(connection, oids, timeout)
                self._known[asked] = told
                return told, statement
            return self._known[asked], self

        patch.setattr(asyncpg.Connection, "_introspect_types", known)


class ReusedDatabase:
    """One migrated database of a server, emptied between tests over one connection on a loop of its own."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._name = f"test_{os.getpid()}"
        self.types = KnownTypes(self._name)
        self.url = other_database(server, self._name)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._make())

    def empty(self) -> None:
        """Every table as the migrations left it, every other connection gone, every number counted from 1 again."""
        self._loop.run_until_complete(self._empty())

    def close(self) -> None:
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()
        run_apart(_execute(self._server, f"DROP DATABASE {self._name} WITH (FORCE)"))

    async def _make(self) -> None:
        self.types.forget()
        drop = f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)"
        await _execute(self._server, drop, f"CREATE DATABASE {self._name} TEMPLATE {_TEMPLATE}")
        self._connection = await asyncpg.connect(self.url)
        # Without foreign keys and triggers, tables are emptied in any order; TRUNCATE would take all that refer to one.
        await self._connection.execute("SET session_replication_role = replica")
        self._schema = await self._connection.fetchval(_SCHEMA)
        names = [row[0] for row in await self._connection.fetch(_TABLES)]
        # Tables with rows from the start hold what the migrations wrote: no test writes there.
        seeded = set(await self._filled(names))
        self._tables = [name for name in names if name not in seeded]

    async def _empty(self) -> None:
        await self._connection.execute(_END_OTHERS)
        if await self._connection.fetchval(_SCHEMA) != self._schema:
            await self._connection.close()
            await self._make()
        else:
            for name in await self._filled(self._tables):
                await self._connection.execute(f"DELETE FROM {name}")
                if await self._connection.fetchval(f"SELECT pg_relation_size('{name}')") > _VACUUM_BYTES:
                    await self._connection.execute(f"VACUUM {name}")
            await self._connection.execute(_RESTART)

    async def _filled(self, names: list[str]) -> list[str]:
        query = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)
        return [row[0] for row in await self._connection.fetch(query)]


@pytest.fixture(scope="session")
def reused_database(database_server: str) -> Iterator[ReusedDatabase]:
    database = ReusedDatabase(database_server)
    with pytest.MonkeyPatch.context() as patch:
        database.types.install(patch)
        yield database
    database.close()


@pytest.fixture
def database_url(reused_database: ReusedDatabase) -> Iterator[str]:
    """URL of a database with every migration applied and nothing in it."""
    yield reused_database.url
    reused_database.empty()


@pytest.fixture
def empty_database_url(database_server: str) -> Iterator[str]:
    """URL of a fresh database without a single table."""
    name = f"empty_{os.getpid()}_{next(_numbers)}"
    run_apart(_execute(database_server, f"CREATE DATABASE {name}"))
    yield other_database(database_server, name)
    run_apart(_execute(database_server, f"DROP DATABASE {name} WITH (FORCE)"))
