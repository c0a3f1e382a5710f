"""The database of one home: the embedded server, or the one a URL names, ready for use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from triplegain import resources
from triplegain.storage.database import Database
from triplegain.storage.database_server import DatabaseServer, in_thread
from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.migrations import migrate


def cluster_folder(home: Path) -> Path:
    """Where the embedded server of this home keeps its cluster."""
    return home / "postgres"


@asynccontextmanager
async def database_server(
    home: Path, url: str = "", *, durable: bool = True, tell: Callable[[str], None] = lambda words: None
) -> AsyncIterator[DatabaseServer]:
    """A running server: that of `url` if it is given, else the embedded one, started and let go of again.

    Says nothing about the schema. `tell` is given what a long wait is for.
    Raises StorageError if the embedded server cannot be started.
    """
    if url:
        yield DatabaseServer(url)
        return
    cluster = EmbeddedCluster(cluster_folder(home), durable=durable, tell=tell)
    try:
        yield DatabaseServer(await in_thread(cluster, cluster.start), cluster)
    finally:
        await in_thread(cluster, cluster.stop)


@asynccontextmanager
async def home_database(
    home: Path, url: str = "", *, durable: bool = True, tell: Callable[[str], None] = lambda words: None
) -> AsyncIterator[Database]:
    """Connected, with every migration applied. Raises StorageError where any of it fails."""
    async with database_server(home, url, durable=durable, tell=tell) as server:
        await migrate(server.url, resources.migrations_dir())
        database = await Database.connect(server)
        try:
            yield database
        finally:
            await database.close()
