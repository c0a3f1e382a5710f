"""The application over a stored session, and clients with keys of each role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.api.alone import Alone
from tests.api.guarded_app import guard_of, guarded_app
from tests.api.stored_control import StoredControl
from tests.storage.scripted_session import START_NS, ScriptedSession, session_record

from triplegain.api.access import RequestLimits
from triplegain.api.app import Guard, create_app
from triplegain.api.keys import key_hash
from triplegain.domain.clock import ManualClock
from triplegain.domain.records import SecurityEvent
from triplegain.storage.database import Database
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

ROLES = ("viewer", "trader", "admin")


@dataclass
class Bench:
    """A session with two filled orders (c-1, c-2) and their positions (p-1, p-2), and everything around it."""

    control: StoredControl
    reader: SessionReader
    security: SecurityLog
    clock: ManualClock
    guard: Guard = field(init=False)
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        self.guard = guard_of(self.security, RequestLimits(), self.clock)
        self.app = create_app(Alone(self.control), self.reader, self.guard, command_timeout_s=5)

    async def limit(self, limits: RequestLimits) -> None:
        """An application with these limits."""
        self.app = await guarded_app(Alone(self.control), self.reader, self.security, limits, self.clock)

    def client(self, role: str | None, address: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
        """A client with a key of this role; None: without a key."""
        if role is not None:
            headers["Authorization"] = f"Bearer key-of-{role}"
        transport = httpx.ASGITransport(self.app, client=(address, 50000))
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)

    async def events(self, kind: str) -> list[SecurityEvent]:
        return [event for _, event in await self.security.security_events(limit=1000) if event.kind == kind]


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    clock = ManualClock(START_NS)
    database = await Database.connect(database_url)
    store = SessionStore(database, clock)
    script = ScriptedSession((await store.create(session_record())).session_id)
    for batch in (script.opening(), script.buy(), script.buy()):
        await store.commit(script.session_id, batch)
    security = SecurityLog(database, clock)
    for role in ROLES:
        await security.add_api_key(key_hash(f"key-of-{role}"), role, role)
    bench = Bench(StoredControl(store, script), SessionReader(database), security, clock)
    await bench.guard.keys.refresh()
    yield bench
    await store.close()
    await database.close()


@pytest.fixture
def order() -> dict[str, Any]:
    """A limit order that rests."""
    return {"symbol": "BTC/USDT", "side": "buy", "quantity": "0.1", "price": "900", "client_order_id": "mine"}
