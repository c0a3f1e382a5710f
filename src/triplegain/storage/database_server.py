"""The server a database lies on, and the way to have it back after it has died."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from triplegain.storage.embedded import EmbeddedCluster


@dataclass(frozen=True, slots=True)
class DatabaseServer:
    """`cluster` None: somebody else's server, to which one can only connect again."""

    url: str
    cluster: EmbeddedCluster | None = None

    async def revive(self) -> None:
        """The embedded server runs and answers again, at the same `url`; of another server nothing is known.

        At once where it answers. Raises StorageError, and may be tried again.
        """
        if self.cluster is not None:
            await asyncio.to_thread(self.cluster.revive)
