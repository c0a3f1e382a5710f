"""A whole paper system on a database, and a person with an admin key who steers it over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from tests.api.guarded_app import guarded_app

from triplegain.api.access import RequestLimits
from triplegain.api.keys import key_hash
from triplegain.app.opening import PaperOptions
from triplegain.app.paper_system import PaperSystem
from triplegain.config.tree import Config
from triplegain.domain.clock import SECOND_NS, ManualClock
from triplegain.domain.errors import TripleGainError
from triplegain.domain.records import SecurityEvent
from triplegain.session.runner import Ending
from triplegain.session.trading_session import TradingSession
from triplegain.storage.database import Database
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore

_PATIENCE_S = 60.0


@dataclass
class Steered:
    """A running system, a person with an admin key, and what is stored."""

    system: PaperSystem
    admin: httpx.AsyncClient
    reader: SessionReader
    security: SecurityLog
    database_url: str

    @property
    def session(self) -> TradingSession:
        return self.system.opened.session

    async def until(self, holds: Callable[[], Any]) -> None:
        """Let the market go on until it does."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not holds():
                    await asyncio.sleep(0)
        except TimeoutError:
            raise AssertionError("it never happened") from None

    async def stop_at(self, fraction: str) -> str:
        """A stop so far below the ask, on the tick."""
        quote = self.session.prices.quote("BTC/USDT")
        assert quote is not None and quote.ask is not None
        return str(round(quote.ask * (1 - type(quote.ask)(fraction)), 1))

    async def get(self, path: str) -> Any:
        answer = await self.admin.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.admin.post(f"/api/v1{path}", json=body)

    async def event(self, kind: str) -> SecurityEvent:
        [found] = [event for _, event in await self.security.security_events(limit=1000) if event.kind == kind]
        return found

    async def transaction(self, query: str) -> int:
        """The id of the transaction that wrote the one row of a query."""
        connection = await asyncpg.connect(self.database_url)
        try:
            [row] = await connection.fetch(query)
            return int(row[0])
        finally:
            await connection.close()


def options() -> PaperOptions:
    """Candles of an hour: in these few minutes the baseline has nothing to say, and no cool-down runs."""
    return PaperOptions(feed="demo", speed="max", candle="1h", llm="none", duration="6h")


@asynccontextmanager
async def opened_system(database_url: str, home: Path, wanted: PaperOptions | None = None) -> AsyncIterator[Steered]:
    """A system before its market's first message."""
    clock = ManualClock(1_767_225_600 * SECOND_NS)
    database = await Database.connect(database_url)
    store, reader, security = SessionStore(database, clock), SessionReader(database), SecurityLog(database, clock)
    if key_hash("key") not in await security.api_keys():
        await security.add_api_key(key_hash("key"), "admin", "admin")
    system = PaperSystem(wanted or options(), Config(), home, database, store, reader, clock, {})
    await system.open()
    generous = replace(
        RequestLimits(), default=10_000, reads=10_000, trade=10_000, cancel=10_000, stop=10_000, reset=10_000
    )
    app = await guarded_app(system, reader, security, generous, clock)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    headers = {"Authorization": "Bearer key"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as admin:
        yield Steered(system, admin, reader, security, database_url)
    await store.close()
    await database.close()


@asynccontextmanager
async def running(opened: Steered) -> AsyncIterator[Steered]:
    """The system, once its market has run long enough to have prices."""
    run = asyncio.create_task(opened.system.run())
    await opened.until(lambda: opened.session.prices.quote("BTC/USDT"))
    yield opened
    opened.system.stop()
    with suppress(TripleGainError):
        ending = await run
        assert ending is Ending.STOPPED, ending
