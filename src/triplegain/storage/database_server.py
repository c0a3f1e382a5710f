"""The server a database lies on, and the way to have it back after it has died."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from triplegain.storage.embedded import EmbeddedCluster

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """`cluster` None: somebody else's server, to which one can only connect again."""

    url: str
    cluster: EmbeddedCluster | None = None

    @property
    def places(self) -> tuple[Path, ...]:
        """Of the embedded server: what is there, and the same, for as long as it runs."""
        return () if self.cluster is None else (self.cluster.folder, self.cluster.cluster / "PG_VERSION")

    async def revive(self) -> None:
        """The embedded server runs and answers again, at the same `url`; of another server nothing is known.

        At once where it answers. Raises StorageError, and may be tried again.
        """
        if self.cluster is not None:
            await in_thread(self.cluster, self.cluster.revive)


async def in_thread(cluster: EmbeddedCluster, step: Callable[[], _Result]) -> _Result:
    """Run what blocks on the cluster. Cancelled, it does not wait for its server any longer; that it has come to an end
    is waited for all the same."""
    running = asyncio.ensure_future(asyncio.to_thread(step))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            cluster.give_up()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        running.exception()
        raise
