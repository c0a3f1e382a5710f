"""The HTTP API beside a running session, and the note that tells other commands where it answers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from triplegain.api import address
from triplegain.api.keys import ensure_admin_key
from triplegain.api.server import ApiServer
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
    system: PaperSystem, database: Database, reader: SessionReader, config: Config, home: Path
) -> AsyncIterator[None]:
    """Listen while the session runs. The admin key is made at the first start."""
    clock = SystemClock()
    security = SecurityLog(database, clock)
    await ensure_admin_key(home, security)

    def make_app() -> ASGIApp:
        from triplegain.api.app import create_app

        return create_app(system, reader, security, config.api.limits_per_minute, clock)

    server = ApiServer(make_app, config.api.host, config.api.port)
    port = await server.start()
    published: list[str] = []

    def publish() -> None:
        session = system.opened.record
        for earlier in published:
            address.withdraw(home, earlier)
        published[:] = [session.session_id]
        running = address.RunningSession(
            session.session_id, os.getpid(), config.api.host, port, session.feed, clock.now_ns()
        )
        address.publish(home, running)

    publish()
    system.on_session_change = publish
    try:
        yield
    finally:
        await server.stop()
        for session_id in published:
            address.withdraw(home, session_id)
