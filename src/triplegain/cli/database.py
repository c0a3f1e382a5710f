"""The database every command works on, as the configuration names it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

from triplegain.app import interrupts
from triplegain.config import Config, home_dir, load_config
from triplegain.storage.database import Database
from triplegain.storage.database_server import DatabaseServer
from triplegain.storage.errors import SessionNotFoundError
from triplegain.storage.home_database import database_server, home_database
from triplegain.storage.session_reader import SessionReader

_Result = TypeVar("_Result")
_Opened = TypeVar("_Opened")


def open_database(config: Config, home: Path) -> AbstractAsyncContextManager[Database]:
    """The connected and migrated database: the embedded one of `home`, or the server the configuration names.

    Raises StorageError: no disk space, no permission, server away, schema of a newer version.
    """
    return home_database(home, database_url(config), durable=config.database.fsync, tell=_tell)


def database_url(config: Config) -> str:
    """The server the configuration names; empty: the embedded one."""
    return config.database.url.get_secret_value()


def with_database(use: Callable[[Database], Awaitable[_Result]]) -> _Result:
    """Run `use` on the database of this environment's configuration and home, and let go of it again."""
    return _on(open_database, use)


def with_server(use: Callable[[str], Awaitable[_Result]]) -> _Result:
    """Run `use` on the URL of its server; the schema is left as it is."""

    async def with_url(server: DatabaseServer) -> _Result:
        return await use(server.url)

    return _on(
        lambda config, home: database_server(home, database_url(config), durable=config.database.fsync, tell=_tell),
        with_url,
    )


def _on(
    opened: Callable[[Config, Path], AbstractAsyncContextManager[_Opened]],
    use: Callable[[_Opened], Awaitable[_Result]],
) -> _Result:
    async def run() -> _Result:
        async with opened(load_config(), home_dir()) as found:
            return await use(found)

    return interrupts.run(run())


def _tell(words: str) -> None:
    """To where the answer does not go."""
    print(words, file=sys.stderr, flush=True)


def read_session_of(session: str | None, read: Callable[[Database, str], Awaitable[_Result]]) -> _Result:
    """What is stored of a session, by default of the one written last. Raises SessionNotFoundError where there is
    none."""

    async def of_latest(database: Database) -> _Result:
        reader = SessionReader(database)
        if session:
            return await read(database, (await reader.session(session)).session_id)
        found = await reader.list_sessions(limit=1)
        if not found:
            raise SessionNotFoundError("there is no session yet: `tg paper` starts one")
        return await read(database, found[0].session_id)

    return with_database(of_latest)
