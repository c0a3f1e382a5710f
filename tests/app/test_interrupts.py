"""Signals: an exit code for each, heard by a loop that waits, that works and that does not listen."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from triplegain.app import interrupts
from triplegain.app.interrupts import SIGNALS, Interrupted, interrupt_on_signals, run, stop_on_signals


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    interrupt_on_signals()
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_each_signal_ends_what_waits_after_it_has_let_go(number: signal.Signals, code: int) -> None:
    done: list[str] = []

    async def work() -> None:
        asyncio.get_running_loop().call_soon(send, number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            done.append("let go")

    with pytest.raises(Interrupted) as ended:
        run(work())
    assert (ended.value.exit_code, done) == (code, ["let go"])


def test_outside_of_a_loop_a_signal_interrupts_at_once() -> None:
    with pytest.raises(Interrupted) as ended:
        send(signal.SIGTERM)
    assert ended.value.exit_code == 143


def test_a_loop_that_never_gives_way_is_interrupted_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_DEAF_S", 0.05)
    done: list[str] = []

    async def work() -> None:
        send(signal.SIGTERM)
        try:
            while True:
                pass
        finally:
            await asyncio.sleep(0)
            done.append("let go")

    with pytest.raises(Interrupted) as ended:
        run(work())
    assert (ended.value.exit_code, done) == (143, ["let go"])


def test_a_signal_is_heard_though_somebody_else_kept_the_loop_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What interrupts another task, or a callback, ends that one alone."""
    monkeypatch.setattr(interrupts, "_DEAF_S", 0.05)
    done: list[str] = []

    def hog() -> None:
        send(signal.SIGTERM)
        while True:
            pass

    async def hogs() -> None:
        hog()

    async def work(is_task: bool) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        other = loop.create_task(hogs()) if is_task else loop.call_soon(hog)
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 10)
        finally:
            done.append(type(other).__name__)

    for is_task in (True, False):
        with pytest.raises(Interrupted) as ended:
            run(work(is_task))
        assert ended.value.exit_code == 143
    assert done == ["Task", "Handle"]


def test_the_first_signal_asks_a_run_to_stop_and_the_second_ends_it() -> None:
    async def stops_by_itself() -> str:
        over = asyncio.Event()
        with stop_on_signals(over.set):
            asyncio.get_running_loop().call_soon(send, signal.SIGHUP)
            await over.wait()
        return "summary"

    async def does_not_stop() -> None:
        over = asyncio.Event()
        with stop_on_signals(over.set):
            asyncio.get_running_loop().call_soon(send, signal.SIGINT)
            await over.wait()
            asyncio.get_running_loop().call_soon(send, signal.SIGINT)
            await asyncio.Event().wait()

    assert run(stops_by_itself()) == "summary"
    with pytest.raises(Interrupted) as ended:
        run(does_not_stop())
    assert ended.value.exit_code == 130


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt_on_signals()

    async def work() -> str:
        send(signal.SIGHUP)
        await asyncio.sleep(0)
        return "done"

    assert run(work()) == "done"


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]

    async def work() -> None:
        with stop_on_signals(lambda: None):
            pass

    run(work())
    assert [signal.getsignal(number) for number in SIGNALS] == before
