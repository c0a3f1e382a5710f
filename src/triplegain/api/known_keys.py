"""The keys that are let in, in memory: whoever shows one is known before anything of his is counted or asked for."""

from __future__ import annotations

import asyncio
import logging

from triplegain.api.access import Role
from triplegain.domain.errors import TripleGainError
from triplegain.storage.security_log import SecurityLog

_LOG = logging.getLogger(__name__)
#: A key that is revoked is out within a second.
_EVERY_S = 0.5


class KnownKeys:
    """`refresh` before the first question; `run` keeps up with the database until it is cancelled."""

    def __init__(self, security: SecurityLog) -> None:
        self._security = security
        self._roles: dict[str, Role] = {}

    def role(self, key_hash: str) -> Role | None:
        """What the key of this hash may do; None for one that is unknown or revoked. Asks nobody."""
        return self._roles.get(key_hash)

    async def refresh(self) -> None:
        """Raises StorageError when the database fails."""
        found = await self._security.api_keys()
        self._roles = {key_hash: Role.parse(role) for key_hash, role in found.items()}

    async def run(self) -> None:
        """While the database is away the keys stay as they were: nobody can revoke one then."""
        away = False
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.refresh()
                away = False
            except TripleGainError as error:
                if not away:
                    _LOG.warning("cannot see whether a key was revoked: %s", error)
                away = True
