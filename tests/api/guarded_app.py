"""The application over a session, for tests: with limits that a test chooses, and the keys that are stored."""

from __future__ import annotations

from fastapi import FastAPI

from triplegain.api.access import RequestLimits
from triplegain.api.allowed_hosts import AllowedHosts
from triplegain.api.app import Guard, create_app
from triplegain.api.control import SessionDirectory
from triplegain.api.known_keys import KnownKeys
from triplegain.api.strangers import Strangers
from triplegain.domain.clock import Clock
from triplegain.storage.security_log import SecurityLog
from triplegain.storage.session_reader import SessionReader


def guard_of(security: SecurityLog, limits: RequestLimits, clock: Clock) -> Guard:
    """Answers under names of the loopback; no key is known yet."""
    strangers = Strangers(security, limits, clock, retention_days=30)
    return Guard(security, KnownKeys(security), strangers, AllowedHosts(["127.0.0.1", "localhost"]), limits, clock)


async def guarded_app(
    directory: SessionDirectory,
    reader: SessionReader,
    security: SecurityLog,
    limits: RequestLimits,
    clock: Clock,
) -> FastAPI:
    """The keys are those that are stored now."""
    guard = guard_of(security, limits, clock)
    await guard.keys.refresh()
    return create_app(directory, reader, guard)
