"""What runs beside a session for as long as it does: it never ends the session, and its own end is not silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

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
