"""Stores for the tests of what is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.storage.scripted_session import START_NS

from triplegain.domain.clock import ManualClock
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_store import SessionStore


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_NS)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url)
    yield database
    await database.close()


@pytest.fixture
async def store(database: Database, clock: ManualClock) -> AsyncIterator[SessionStore]:
    store = SessionStore(database, clock)
    yield store
    await store.close()


@pytest.fixture
def reader(database: Database) -> SessionReader:
    return SessionReader(database)
