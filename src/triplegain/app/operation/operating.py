"""Log and notifications of a system while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from triplegain.app.beside import beside
from triplegain.app.operation import log
from triplegain.app.operation.notices import Notice, notices_of
from triplegain.app.operation.notifications import notifying
from triplegain.app.operation.watch import SessionWatch
from triplegain.app.paper_system import PaperSystem
from triplegain.config import Config, read_environment
from triplegain.config.operation import Subject
from triplegain.domain.clock import Clock
from triplegain.domain.outside import Redactor, secrets_of
from triplegain.domain.records import CommitBatch

_LOOK_S = 1.0


@dataclass(slots=True)
class _WatchBeside:
    """Over the sessions that share the market of the main one, and those that do so no more."""

    feed_lost_after_ns: int
    _watches: dict[str, SessionWatch] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def look(self, system: PaperSystem) -> Iterator[tuple[str, Notice]]:
        for guest in system.guests.sessions():
            name = guest.opened.record.session_id
            watch = self._watches.setdefault(name, SessionWatch(self.feed_lost_after_ns))
            yield from ((name, notice) for notice in watch.look_beside(guest.view()))
        for name, why in system.failed().items():
            if name not in self._failed:
                self._failed.add(name)
                yield name, Notice(logging.ERROR, "session", f"it runs no more: {why}", Subject.SESSION)


@asynccontextmanager
async def operated(
    system: PaperSystem, config: Config, home: Path, clock: Clock, output: TextIO | None, *, notifies: bool
) -> AsyncIterator[None]:
    """From each stored step and from a look a second. `output` gets the log's lines beside its file.

    `notifies`: whether anybody beside the log is told; a market that is hurried through tells nobody.
    Raises NotificationError for a place that cannot be used.
    """
    async with AsyncExitStack() as stack:
        notify = stack.enter_context(notifying(config.notifications, clock, "TripleGain paper")) if notifies else None
        logs = stack.enter_context(ExitStack())
        redactor = Redactor(secrets_of(read_environment()))
        watch = SessionWatch(config.notifications.feed_lost_after_ns)
        watch_beside = _WatchBeside(config.notifications.feed_lost_after_ns)
        begun = ""

        def tell(notice: Notice, session_id: str | None = None) -> None:
            """Of the main session, or of one that shares its market: a person is told which."""
            main = system.opened.record.session_id
            log.tell(session_id or main, notice)
            if session_id not in (None, main):
                notice = replace(notice, words=f"{session_id}: {notice.words}")
            system.stats.notices[notice.kind, logging.getLevelName(notice.level).lower()] += 1
            if notify is not None:
                notify(notice)

        def stored(session_id: str, step: CommitBatch) -> None:
            for notice in notices_of(step):
                tell(notice, session_id)

        def begin() -> None:
            """The log of the main session that runs now."""
            nonlocal begun
            session = system.opened.record
            if session.session_id == begun:
                return
            begun = session.session_id
            logs.close()
            logs.enter_context(log.logging_to(config.log, home, session.session_id, output, redactor))
            tell(Notice(logging.INFO, "session", f"{session.session_id} runs on {session.feed}", Subject.SESSION))

        async def look() -> None:
            loop = asyncio.get_running_loop()
            while True:
                due_s = loop.time() + _LOOK_S
                await asyncio.sleep(_LOOK_S)
                system.stats.lag_s = max(system.stats.lag_s, loop.time() - due_s)
                for notice in watch.look(system.view(), clock.now_ns(), system.first.view()):
                    tell(notice)
                for name, notice in watch_beside.look(system):
                    tell(notice, name)

        begin()
        system.on_session_change.append(begin)
        system.on_stored.append(stored)
        try:
            async with beside(look, "the watch over the session"):
                yield
        finally:
            tell(Notice(logging.INFO, "session", f"{system.opened.record.session_id} stops", Subject.SESSION))
