"""Ctrl-C, SIGTERM and a closed terminal: the same from the first line to the last.

A signal raises `Interrupted` in code that does not run on an event loop, cancels what `run` runs, and first asks a run
that stops by itself (`stop_on_signals`). A loop that does not take notice in time is interrupted where it stands.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: How long an event loop may take to hear of a signal.
_DEAF_S = 2.0
_STDERR = 2

_Result = TypeVar("_Result")


class Interrupted(BaseException):
    """A signal asks the program to end. What was stored is safe. No KeyboardInterrupt: libraries have their own answer
    to that."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def interrupt_on_signals() -> None:
    """From here on each of the signals raises `Interrupted`; one that is ignored (nohup) stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """`asyncio.run`, in which a signal cancels `work`; once it has let go of everything `Interrupted` is raised."""
    import asyncio

    return asyncio.run(_cancelled_by_signals(work))


async def _cancelled_by_signals(work: Coroutine[Any, Any, _Result]) -> _Result:
    import asyncio

    running = asyncio.ensure_future(work)
    heard: list[int] = []

    def cancel(number: int) -> None:
        heard.append(number)
        running.cancel()

    with _told_to_the_loop(cancel, running):
        try:
            return await running
        except asyncio.CancelledError:
            if heard:
                raise Interrupted(heard[0]) from None
            raise


@contextmanager
def stop_on_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Meanwhile the first signal calls `stop`, on the loop that runs; the next ones do what they did before."""

    import asyncio

    def stop_once(number: int) -> None:
        for each, handler in before.items():
            signal.signal(each, handler)
        stop()

    with _told_to_the_loop(stop_once, asyncio.current_task()) as before:
        yield


@contextmanager
def _told_to_the_loop(
    act: Callable[[int], object], work: asyncio.Task[Any] | None
) -> Iterator[Mapping[signal.Signals, Any]]:
    """Only a program's first thread hears signals. `work` is what they are meant for."""
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    import asyncio

    loop = asyncio.get_running_loop()
    deaf_before = signal.getsignal(signal.SIGALRM)

    was_deaf: list[int] = []

    def hear(number: int) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if number in was_deaf:
            # It interrupted the work itself, and whatever lets go now is not to be disturbed.
            was_deaf.remove(number)
        else:
            act(number)

    def handle(number: int, frame: FrameType | None) -> None:
        def interrupt(*_: object) -> None:
            if asyncio.current_task(loop) is work:
                was_deaf.append(number)
            # Whatever else kept the loop deaf ends alone, and the signal is heard next.
            _interrupt(number, frame)

        _leave_the_terminal()
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, _DEAF_S)
        loop.call_soon_threadsafe(hear, number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, deaf_before)
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _leave_the_terminal()
    raise Interrupted(number)


def _leave_the_terminal() -> None:
    """Where a terminal is gone, what is written to it from now on goes nowhere, instead of failing."""
    for descriptor in (1, _STDERR):
        try:
            os.write(descriptor, b"")
        except OSError:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
