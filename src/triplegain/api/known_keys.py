"""The keys that are let in, in memory: whoever shows one is known before anything of his is counted or asked for."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from triplegain.api.access import Role
from triplegain.domain.errors import TripleGainError
from triplegain.storage.security_log import SecurityLog

_LOG = logging.getLogger(__name__)
#: A key that is revoked is out within a second.
_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What a key may do, and in which session; None: in all, it is the owner's."""

    role: Role
    session: str | None


class KnownKeys:
    """`refresh` before the first question; `run` keeps up with the database until it is cancelled."""

    def __init__(self, security: SecurityLog) -> None:
        self._security = security
        self._keys: dict[str, KnownKey] = {}

    def known(self, key_hash: str) -> KnownKey | None:
        """The key of this hash; None for one that is unknown or revoked. Asks nobody."""
        return self._keys.get(key_hash)

    async def refresh(self) -> None:
        """Raises StorageError when the database fails."""
        found = await self._security.api_keys()
        self._keys = {key_hash: KnownKey(Role.parse(key.role), key.session) for key_hash, key in found.items()}

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
