"""Housekeeping that runs by itself, beside a running session: old snapshots become hours, what may go goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from triplegain.app.beside import beside, repeated
from triplegain.config.infrastructure import DatabaseSettings
from triplegain.domain.clock import DAY_NS, Clock
from triplegain.storage.database import Database
from triplegain.storage.errors import BooksDifferError
from triplegain.storage.retention import Retention, Round
from triplegain.storage.sealing import Sealing

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
        """One round, written down. Returns how many rows of what were removed.

        Raises StorageError; BooksDifferError, once all else is done, of steps that are not what was left.
        """
        retention, now_ns = Retention(self.database), self.clock.now_ns()
        removed = await retention.roll_up(now_ns - self.settings.snapshot_retention_days * DAY_NS)
        removed["sessions_deleted"] = 0
        if days := self.settings.ended_session_retention_days:
            removed["sessions_deleted"] = await retention.remove_ended(now_ns - days * DAY_NS)
        # Loaded with a round: it brings what reads and builds history.
        from triplegain.app.market_data import MarketData

        trades = await MarketData(self.database).prune(self.trade_days, self.clock)
        removed["trades_deleted"] = sum(trades.values())
        damaged = await self._seal(removed, now_ns)
        await retention.record(Round(now_ns, removed))
        if damaged:
            raise BooksDifferError(
                f"the old steps of {', '.join(damaged)} are not sealed: they are not what they left; "
                "`tg db verify` says which rows"
            )
        return removed

    async def _seal(self, removed: dict[str, int], now_ns: int) -> list[str]:
        """Those whose steps stay, being damaged."""
        sealing, damaged = Sealing(self.database), list[str]()
        removed["steps_sealed"] = removed["analyses_deleted"] = 0
        if days := self.settings.step_retention_days:
            removed["steps_sealed"], damaged = await sealing.seal(now_ns - days * DAY_NS)
        if days := self.settings.analysis_retention_days:
            removed["analyses_deleted"] = await sealing.forget_analyses(now_ns - days * DAY_NS, damaged)
        return damaged

    async def follow(self, failed: Callable[[str], None]) -> None:
        """Until cancelled. A round that fails is tried again, and told once of several in a row."""
        if self.settings.housekeeping_every_ns:
            await asyncio.sleep(_FIRST_LOOK_S)
            await repeated(self._look, _LOOK_S, lambda why: failed(f"housekeeping failed, and is tried again: {why}"))

    async def _look(self) -> float:
        if await Retention(self.database).is_due(self.settings.housekeeping_every_ns, self.clock.now_ns()):
            await self.clean()
        return _LOOK_S


@asynccontextmanager
async def kept_clean(housekeeping: Housekeeping, failed: Callable[[str], None]) -> AsyncIterator[None]:
    """Housekeeping while the session runs; a round that is under way at its end goes on at the next start."""
    async with beside(lambda: housekeeping.follow(failed), "housekeeping"):
        yield
