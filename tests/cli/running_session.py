"""A running session with its HTTP API on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.api.guarded_app import guard_of
from tests.api.several import Directory
from tests.api.stored_control import StoredControl
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record

from triplegain.api.access import RequestLimits
from triplegain.api.address import RunningSession, publish, running_folder
from triplegain.api.app import create_app
from triplegain.api.server import ApiServer
from triplegain.domain.clock import SystemClock
from triplegain.storage.database import Database
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore


@asynccontextmanager
async def _session(url: str, home: Path, others: tuple[str, ...]) -> AsyncIterator[StoredControl]:
    clock = SystemClock()
    database = await Database.connect(url)
    store = SessionStore(database, clock)
    script = ScriptedSession((await store.create(session_record())).session_id)
    for batch in (script.opening(), script.buy()):
        await store.commit(script.session_id, batch)
    control, security = StoredControl(store, script), SecurityLog(database, clock)
    directory = Directory({control.session_id: control})
    for name in others:
        await store.create(session_record(name))
        directory.controls[name] = StoredControl(store, ScriptedSession(name))
    guard = guard_of(security, RequestLimits(), clock)
    await guard.keys.refresh()
    app = create_app(directory, SessionReader(database), guard)
    server = ApiServer(lambda: app, "127.0.0.1", 0, running_folder(home))
    port = await server.start()
    published = [
        publish(home, RunningSession(name, os.getpid(), "127.0.0.1", port, "demo", START_NS))
        for name in directory.running()
    ]
    yield control
    for each in published:
        each.withdraw()
    await server.stop()
    await store.close()
    await database.close()


@contextmanager
def running(url: str, home: Path, *others: str) -> Iterator[StoredControl]:
    """The main session of a process that runs `others`, too."""
    started = threading.Event()
    found: list[StoredControl] = []
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        async with _session(url, home, others) as control:
            found.append(control)
            stops.append((asyncio.get_running_loop(), stop))
            started.set()
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    try:
        yield found[0]
    finally:
        for loop, stop in stops:
            loop.call_soon_threadsafe(stop.set)
        thread.join()
