"""`paper` from start to end: database, session, API, screen, run, summary."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TextIO

from triplegain.app.backups import BackupTimetable, backing_up, backup_folder
from triplegain.app.beside import beside
from triplegain.app.home_watch import HomeWatch
from triplegain.app.housekeeping import Housekeeping, kept_clean
from triplegain.app.interrupts import Interrupted, stop_on_signals
from triplegain.app.opening import PaperOptions, check_words
from triplegain.app.operation.operating import operated
from triplegain.app.paper_system import PaperSystem
from triplegain.app.serving import serving
from triplegain.config import Config, read_environment
from triplegain.domain.clock import SystemClock
from triplegain.domain.money import text
from triplegain.domain.records import SessionStatus
from triplegain.domain.views import DecisionSummary, SessionView
from triplegain.storage.database import Database
from triplegain.storage.errors import StorageError
from triplegain.storage.home_database import home_database
from triplegain.storage.model_ledger import session_cost
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

_log = logging.getLogger(__name__)


class Screen(Protocol):
    """What the user watches. Asked often whether it `is_due`, for a look at the session costs more than a message."""

    @property
    def is_due(self) -> bool:
        """Whether it would draw now."""
        ...

    def update(self, view: SessionView, recent_fills: Sequence[str]) -> None: ...

    def tell(self, words: str) -> None:
        """One sentence, before there is anything to watch."""
        ...


async def run_paper(
    options: PaperOptions, config: Config, home: Path, screen: Screen, output: TextIO | None = None
) -> dict[str, Any]:
    """Run one session to its end or to Ctrl-C; the summary that `paper --json` prints. `output` gets the log's lines.

    Raises StorageError, FeedError, SessionLockedError, InvalidValueError with what to do.
    """
    check_words(options)
    url = config.database.url.get_secret_value()
    async with home_database(home, url, durable=config.database.fsync, tell=screen.tell) as database:
        clock = SystemClock()
        store, reader = SessionStore(database, clock), SessionReader(database)
        system = PaperSystem(
            options,
            config,
            home,
            database,
            store,
            reader,
            clock,
            read_environment(),
            lambda: screen.update(system.view(), system.last_fills()) if screen.is_due else None,
            screen.tell,
        )
        try:
            await system.open()
            home_watch = HomeWatch((home, *database.server.places), screen.tell, system.stop)
            with home_watch.explaining():
                async with (
                    operated(system, config, home, clock, output, notifies=not options.is_hurried),
                    serving(system, database, reader, config, home, stays=not options.is_hurried),
                    kept_clean(_housekeeping(database, config, clock), _log.warning),
                    backing_up(_timetable(system, database, config, home, clock), system.backup_failed),
                    beside(home_watch.watch, "the look at the home"),
                ):
                    # What was loaded so far stays to the end. A full collection of garbage that looked through it, too,
                    # would hold the market up: for a third of a second beside the libraries of models.
                    gc.freeze()
                    try:
                        with stop_on_signals(system.stop):
                            await system.run()
                    finally:
                        # The last look is what the summary shows, also of a run that failed.
                        screen.update(system.view(), system.last_fills())
            return await _summary(system, reader, database)
        except (asyncio.CancelledError, Interrupted):
            await _pause(store)
            raise
        finally:
            await store.close()


def _timetable(
    system: PaperSystem, database: Database, config: Config, home: Path, clock: SystemClock
) -> BackupTimetable:
    settings, created_at_ns = config.database, system.opened.record.created_at_ns
    folder = backup_folder(settings, home)
    return BackupTimetable(
        lambda: database.url, folder, settings.backup_every_ns, settings.backup_keep, created_at_ns, clock
    )


def _housekeeping(database: Database, config: Config, clock: SystemClock) -> Housekeeping:
    return Housekeeping(database, config.database, config.history.trade_retention_days, clock)


async def _pause(store: SessionStore) -> None:
    """A session that was interrupted is run by nobody, also where it was just being opened."""
    for session_id in store.held:
        # The next start finds out whether it can go on.
        with contextlib.suppress(StorageError):
            await store.set_status(session_id, SessionStatus.PAUSED)


def _thoughts(summary: DecisionSummary | None, cost_usd: Decimal) -> dict[str, Any]:
    """What was decided over the whole session, and what models cost it."""
    if summary is None:
        return {}
    outcomes = summary.decisions
    return {
        "decisions": sum(outcomes.values()) - outcomes["abstained"],
        "abstentions": outcomes["abstained"],
        "risk_refused": summary.refused_by_risk,
        "runs": dict(summary.runs),
        "models": list(summary.voters),
        "llm_cost_usd": text(cost_usd),
    }


async def _summary(system: PaperSystem, reader: SessionReader, database: Database) -> dict[str, Any]:
    """Counts and hashes over the whole session, from what is stored; events and speed of this run."""
    view = system.view()
    statistics = await reader.statistics(view.session_id)
    hashes = await reader.hashes(view.session_id)
    equity = view.summary.equity
    return {
        "mode": view.mode,
        "session": view.session_id,
        "feed": view.feed,
        "events": view.events,
        "orders": statistics.orders,
        "fills": statistics.fills,
        "fees": {asset: text(fee) for asset, fee in sorted(statistics.fees.items())},
        "equity": None if equity is None else text(equity),
        **_thoughts(view.decisions, await session_cost(database, view.session_id)),
        "halted": bool(view.halted or (view.decisions and view.decisions.halted)),
        "fills_sha256": hashes.fills_sha256,
        "ledger_sha256": hashes.ledger_sha256,
        "events_per_s": round(view.events_per_s, 1),
    }
