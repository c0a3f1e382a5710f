"""The connections to one database: a pool for reads, single ones for writers that hold a lock."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import asyncpg
import msgspec

from triplegain.domain.storable import encode
from triplegain.storage.database_server import DatabaseServer
from triplegain.storage.errors import DRIVER_ERRORS, DatabaseAwayError, StorageError, away, explain, explained

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
#: asyncpg hands out pooled connections behind a proxy of the same shape.
AnyConnection = Any

_CONNECT_TIMEOUT_S = 10.0
_QUERY_TIMEOUT_S = 60.0
#: Of a query that looks at everything a long session has stored. None would stand for the usual one.
PATIENT_S = 86_400.0
#: Of all connections together.
_LEAVE_S = 2.0

# The pool writes a traceback when it cannot reconnect in the background. The user is told by our error, once; where
# logging is set up the record still goes there.
logging.getLogger("asyncpg").addHandler(logging.NullHandler())


class Database:
    """`await Database.connect(url)`; close it when done. Methods raise StorageError when the server fails."""

    def __init__(self, server: DatabaseServer, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self.server = server
        self.url = server.url
        self._pool = pool
        #: Why it is known to be away, empty while it is not: whoever would only wait is told at once then.
        self.why_away: Callable[[], str] = lambda: ""

    @classmethod
    async def connect(cls, server: DatabaseServer | str, *, connections_max: int = 4) -> Database:
        """A bare URL is that of somebody else's server."""
        if isinstance(server, str):
            server = DatabaseServer(server)
        url = server.url
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=connections_max,
                init=_prepare,
                reset=_as_it_is,
                timeout=_CONNECT_TIMEOUT_S,
                command_timeout=_QUERY_TIMEOUT_S,
                server_settings=_settings(),
            )
        except (*DRIVER_ERRORS, ValueError) as error:
            raise explain(error, f"connecting to the database {without_password(url)}") from error
        return cls(server, pool)

    async def close(self) -> None:
        """At once where the server does not take leave."""
        try:
            await asyncio.wait_for(self._pool.close(), _LEAVE_S)
        except DRIVER_ERRORS:
            self._pool.terminate()

    async def dedicated(self) -> Connection:
        """A connection of its own, for a lock that lasts. The caller closes it."""
        with explained("connecting to the database"):
            connection = await asyncpg.connect(
                self.url, timeout=_CONNECT_TIMEOUT_S, command_timeout=_QUERY_TIMEOUT_S, server_settings=_settings()
            )
            await _prepare(connection)
        return connection

    async def revive(self) -> None:
        """A server of ours that has died is brought back. Raises DatabaseAwayError, and may be tried again."""
        try:
            await self.server.revive()
        except StorageError as error:
            raise DatabaseAwayError(str(error)) from error

    @asynccontextmanager
    async def transaction(self, doing: str, *, snapshot: bool = False) -> AsyncIterator[AnyConnection]:
        """One transaction; `snapshot` reads everything as of one moment and writes nothing."""
        async with self._lent(doing) as connection:
            isolation: Literal["repeatable_read"] | None = "repeatable_read" if snapshot else None
            async with connection.transaction(isolation=isolation, readonly=snapshot):
                yield connection

    async def rows(self, doing: str, query: str, *values: object) -> list[asyncpg.Record]:
        async with self._lent(doing) as connection:
            return await connection.fetch(query, *values)  # type: ignore[no-any-return]

    @asynccontextmanager
    async def _lent(self, doing: str) -> AsyncIterator[AnyConnection]:
        """A connection of the pool. Raises StorageError where there is none, or what is done with it fails."""
        if why := self.why_away():
            raise away(doing, why)
        with explained(doing):
            async with self._pool.acquire(timeout=_CONNECT_TIMEOUT_S) as connection:
                yield connection

    async def row(self, doing: str, query: str, *values: object) -> asyncpg.Record | None:
        found = await self.rows(doing, query, *values)
        return found[0] if found else None


@asynccontextmanager
async def connected(url: str, doing: str, **settings: Any) -> AsyncIterator[Connection]:
    """A connection of its own for a while. Raises StorageError when the server fails."""
    with explained(doing):
        connection = await asyncpg.connect(url, **settings)
        try:
            yield connection
        finally:
            await connection.close()


def _settings() -> dict[str, str]:
    """The name tells whoever finds a session locked which process holds it. Times have one text: it is hashed."""
    return {"application_name": f"triplegain process {os.getpid()}", "timezone": "UTC", "datestyle": "ISO, MDY"}


async def _prepare(connection: AnyConnection) -> None:
    """jsonb travels as decoded Python values."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + encode(value),
        decoder=lambda raw: msgspec.json.decode(raw[1:]),
        format="binary",
    )


async def _as_it_is(connection: AnyConnection) -> None:
    """What anybody sets in a pooled connection ends with the transaction: to have the server forget it all would take
    each read another trip."""


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    return f"{scheme}{separator}{credentials.split(':')[0]}{at}{place}"
