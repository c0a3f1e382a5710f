"""What runs beside a session for as long as it does: it never ends the session, and its own end is not silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from triplegain.storage.errors import StorageError

_log = logging.getLogger(__name__)
_AGAIN_S = 30.0


@asynccontextmanager
async def beside(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> AsyncIterator[None]:
    """`work` runs until the block is left. Where it goes wrong the log tells, and it is begun again a while later."""
    running = asyncio.create_task(_kept_up(work, name), name=name)
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _kept_up(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
    while True:
        try:
            return await work()
        # The boundary of a task: nobody waits for it, and a bug in it must not stay unseen for as long as we run.
        except Exception:
            _log.exception("%s went wrong, and is begun again in %g s", name, _AGAIN_S)
        await asyncio.sleep(_AGAIN_S)


async def repeated(attempt: Callable[[], Awaitable[float]], again_s: float, failed: Callable[[str], None]) -> None:
    """`attempt` until cancelled, each time after the seconds that it has returned, or `again_s` after one that failed.
    `failed` is told once of several failures in a row."""
    was_told = False
    while True:
        try:
            wait_s = await attempt()
            was_told = False
        except StorageError as error:
            if not was_told:
                failed(str(error))
            was_told, wait_s = True, again_s
        await asyncio.sleep(wait_s)
