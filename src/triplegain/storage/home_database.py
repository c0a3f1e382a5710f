"""The database of one home: the embedded server, or the one a URL names, ready for use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from triplegain import resources
from triplegain.storage.database import Database
from triplegain.storage.embedded import EmbeddedCluster
from triplegain.storage.migrations import migrate


def cluster_folder(home: Path) -> Path:
    """Where the embedded server of this home keeps its cluster."""
    return home / "postgres"


@asynccontextmanager
async def database_server(home: Path, url: str = "", *, durable: bool = True) -> AsyncIterator[str]:
    """The URL of a running server: `url` if it is given, else the embedded one, started and let go of again.

    Says nothing about the schema. Raises StorageError if the embedded server cannot be started.
    """
    if url:
        yield url
        return
    cluster = EmbeddedCluster(cluster_folder(home), durable=durable)
    serving = await asyncio.to_thread(cluster.start)
    try:
        yield serving
    finally:
        await asyncio.shield(asyncio.to_thread(cluster.stop))


@asynccontextmanager
async def home_database(home: Path, url: str = "", *, durable: bool = True) -> AsyncIterator[Database]:
    """Connected, with every migration applied. Raises StorageError where any of it fails."""
    async with database_server(home, url, durable=durable) as serving:
        await migrate(serving, resources.migrations_dir())
        database = await Database.connect(serving)
        try:
            yield database
        finally:
            await database.close()
