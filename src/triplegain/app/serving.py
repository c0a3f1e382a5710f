"""The HTTP API beside a running session, and the note that tells other commands where it answers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from triplegain.api import address
from triplegain.api.keys import ensure_admin_key
from triplegain.api.known_keys import KnownKeys
from triplegain.api.server import ApiServer
from triplegain.api.strangers import Strangers
from triplegain.app.beside import beside
from triplegain.app.paper_system import PaperSystem
from triplegain.config import Config
from triplegain.domain.clock import SystemClock
from triplegain.storage.database import Database
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader

if TYPE_CHECKING:
    from starlette.types import ASGIApp


@asynccontextmanager
async def serving(
    system: PaperSystem, database: Database, reader: SessionReader, config: Config, home: Path, *, stays: bool
) -> AsyncIterator[None]:
    """Listen while the session runs; `stays`: at the pace of a market. The admin key is made at the first start."""
    clock, settings = SystemClock(), config.api
    security = SecurityLog(database, clock)
    await ensure_admin_key(home, security)
    keys = KnownKeys(security)
    await keys.refresh()
    strangers = Strangers(security, settings.limits_per_minute, clock, settings.stranger_retention_days)

    def make_app() -> ASGIApp:
        from triplegain.api.allowed_hosts import AllowedHosts
        from triplegain.api.app import Guard, create_app

        hosts = AllowedHosts((*settings.allowed_hosts, settings.host))
        guard = Guard(security, keys, strangers, hosts, settings.limits_per_minute, clock)
        return create_app(system, reader, guard)

    server = ApiServer(make_app, settings.host, settings.port, address.running_folder(home), stays=stays)
    port = await server.start()
    published: dict[str, address.Published] = {}

    def publish() -> None:
        """Those that run now, and no other. Who stays is found all the time."""
        running, feed, pid = system.running(), system.opened.record.feed, os.getpid()
        for name in published.keys() - set(running):
            published.pop(name).withdraw()
        for name in running:
            if name not in published:
                where = address.RunningSession(name, pid, settings.host, port, feed, clock.now_ns())
                published[name] = address.publish(home, where)

    async with beside(keys.run, "the look at known keys"), beside(strangers.run, "the record of strangers"):
        try:
            publish()
            system.on_session_change.append(publish)
            yield
        finally:
            await server.stop()
            for each in published.values():
                each.withdraw()
