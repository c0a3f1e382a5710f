"""Long work on what comes from outside, in a thread: meanwhile the event loop hears signals and answers others."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def off_the_loop(work: Callable[[], T]) -> T:
    """What `work` returns or raises.

    It must only read: whoever is cancelled meanwhile does not wait for it, and it ends with the process at the latest.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        if not done.done():
            settle()

    def run() -> None:
        try:
            settle = partial(done.set_result, work())
        # The boundary of a thread: whatever it is, it is raised where it is waited for.
        except BaseException as error:
            settle = partial(done.set_exception, error)
        # Nobody waits any more where the loop is closed.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, settle)

    threading.Thread(target=run, name="reading", daemon=True).start()
    return await done


async def each_off_the_loop(items: Iterator[T]) -> AsyncIterator[T]:
    """The items, each made in a thread."""
    while (item := await off_the_loop(partial(next, items, None))) is not None:
        yield item
