"""Housekeeping that runs by itself, beside a running session: old snapshots become hours, what may go goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from triplegain.app.beside import beside
from triplegain.config.infrastructure import DatabaseSettings
from triplegain.domain.candle_time import DAY_NS
from triplegain.domain.clock import Clock
from triplegain.storage.database import Database
from triplegain.storage.errors import StorageError
from triplegain.storage.retention import Retention, Round

#: Between two looks whether a round is due, which another process may have done; the first comes soon after a start.
_LOOK_S = 600.0
_FIRST_LOOK_S = 30.0


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """What is old by `settings`, and trades older than `trade_days`. 0 days: never."""

    database: Database
    settings: DatabaseSettings
    trade_days: int
    clock: Clock

    async def clean(self) -> Mapping[str, int]:
        """One round, written down. Returns how many rows of what were removed. Raises StorageError."""
        retention, now_ns = Retention(self.database), self.clock.now_ns()
        removed = await retention.roll_up(now_ns - self.settings.snapshot_retention_days * DAY_NS)
        removed["sessions_deleted"] = 0
        if days := self.settings.ended_session_retention_days:
            removed["sessions_deleted"] = await retention.remove_ended(now_ns - days * DAY_NS)
        # Loaded with a round: it brings what reads and builds history.
        from triplegain.app.market_data import MarketData

        trades = await MarketData(self.database).prune(self.trade_days, self.clock)
        removed["trades_deleted"] = sum(trades.values())
        await retention.record(Round(now_ns, removed))
        return removed

    async def follow(self, failed: Callable[[str], None]) -> None:
        """Until cancelled. A round that fails is tried again, and told once of several in a row."""
        every_ns, was_told, wait_s = self.settings.housekeeping_every_ns, False, _FIRST_LOOK_S
        while every_ns:
            await asyncio.sleep(wait_s)
            wait_s = _LOOK_S
            try:
                if await Retention(self.database).is_due(every_ns, self.clock.now_ns()):
                    await self.clean()
                was_told = False
            except StorageError as error:
                if not was_told:
                    failed(f"housekeeping failed, and is tried again: {error}")
                was_told = True


@asynccontextmanager
async def kept_clean(housekeeping: Housekeeping, failed: Callable[[str], None]) -> AsyncIterator[None]:
    """Housekeeping while the session runs; a round that is under way at its end goes on at the next start."""
    async with beside(lambda: housekeeping.follow(failed), "housekeeping"):
        yield
