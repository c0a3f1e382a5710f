"""Those who show no known key: how often an address may ask, and what is written down of those who are refused.

What they cost is bounded: nothing is asked of the database for them, and each minute leaves a few rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter

from triplegain.api.access import RequestLimits
from triplegain.api.rate_limit import RateLimit, too_many
from triplegain.domain.clock import DAY_NS, Clock
from triplegain.domain.errors import TripleGainError
from triplegain.domain.records import SecurityEvent
from triplegain.domain.refusals import Code
from triplegain.storage.security_log import STRANGERS_REFUSED, SecurityLog

_LOG = logging.getLogger(__name__)
_MINUTE_S = 60
_LAST_WRITE_S = 2
_RETENTION_EVERY_MINUTES = 60
#: Addresses with a row of their own in a minute; all others share one.
_LISTED_MAX = 16
_OTHERS = "others"


class Strangers:
    """`run` writes once a minute until it is cancelled, and once more then. Rows are removed after `retention_days`;
    0: never."""

    def __init__(self, security: SecurityLog, limits: RequestLimits, clock: Clock, retention_days: int) -> None:
        self._security = security
        self._limits = limits
        self._clock = clock
        self._retention_ns = retention_days * DAY_NS
        self._requests = RateLimit(clock)
        self._guesses = RateLimit(clock)
        self._refused: dict[str, Counter[Code]] = {}

    def admit(self, address: str) -> None:
        """Raises RefusedError 429 when the address has asked too often."""
        self._take(self._requests, address, self._limits.address, "address", "requests without a known key")

    def guess(self, address: str) -> None:
        """A request that needs a key. Raises RefusedError 429 when there were too many."""
        self._take(self._guesses, address, self._limits.wrong_keys, "wrong_keys", "requests with a wrong key or none")

    def _take(self, budget: RateLimit, address: str, per_minute: int, name: str, what: str) -> None:
        if wait_ns := budget.take(address, per_minute):
            raise too_many(what, f"address {address}", name, per_minute, wait_ns)

    def refused(self, address: str, code: Code) -> None:
        """Count it for the row of this minute."""
        listed = address if address in self._refused or len(self._refused) < _LISTED_MAX else _OTHERS
        self._refused.setdefault(listed, Counter())[code] += 1

    async def write(self) -> None:
        """What was counted, a row for an address. What cannot be stored is counted on."""
        counted, self._refused = self._refused, {}
        now_ns = self._clock.now_ns()
        rows = [
            SecurityEvent(
                STRANGERS_REFUSED, "nobody", address, "", now_ns,
                {"count": codes.total(), **{code.value: count for code, count in codes.items()}},
            )
            for address, codes in counted.items()
        ]  # fmt: skip
        try:
            await self._security.record_security_events(rows)
        except TripleGainError as error:
            _LOG.warning("could not record who was refused: %s", error)
            for address, codes in counted.items():
                self._refused.setdefault(address, Counter()).update(codes)

    async def forget(self) -> None:
        """Remove rows that are too old."""
        if not self._retention_ns:
            return
        try:
            await self._security.remove_strangers(self._clock.now_ns() - self._retention_ns)
        except TripleGainError as error:
            _LOG.warning("could not remove old rows of strangers: %s", error)

    async def run(self) -> None:
        minutes = 0
        try:
            while True:
                if minutes % _RETENTION_EVERY_MINUTES == 0:
                    await self.forget()
                minutes += 1
                await asyncio.sleep(_MINUTE_S)
                await self.write()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WRITE_S):
                    await self.write()
