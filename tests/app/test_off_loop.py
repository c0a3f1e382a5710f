"""A large file is read in a thread: the loop hears a signal at once, and whoever stops does not wait for the file."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from triplegain.app import interrupts
from triplegain.app.history_import import import_files
from triplegain.app.interrupts import Interrupted
from triplegain.app.off_loop import each_off_the_loop, off_the_loop
from triplegain.app.opened_feed import open_session_feed

#: Seconds of CPU: what an idle loop is allowed, and what the file takes at the very least.
_IDLE_S = 0.1
_ROWS = 400_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captures") / "XBTUSDT_1.csv"
    lines = (f"{1_600_000_000 + 60 * number},10000.0,10001.0,9999.0,10000.5,1.25,7\n" for number in range(_ROWS))
    path.write_text("".join(lines))
    return path


def _opened(path: Path) -> Coroutine[Any, Any, object]:
    none, config = cast(Any, None), cast(Any, SimpleNamespace(decoded_bytes_max=0))
    return open_session_feed(config, path.parent, none, f"replay:{path}", 1, ())


def _imported(path: Path) -> Coroutine[Any, Any, object]:
    none: Any = cast(Any, None)
    return import_files([path], none, none)


@pytest.mark.parametrize("opening", [_opened, _imported])
def test_a_signal_ends_the_opening_of_a_large_file(
    large: Path, opening: Callable[[Path], Coroutine[Any, Any, object]]
) -> None:
    handlers = {number: signal.getsignal(number) for number in (*interrupts.SIGNALS, signal.SIGALRM)}
    interrupts.interrupt_on_signals()
    blow = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    blow.start()
    began_s = time.thread_time()
    try:
        with pytest.raises(Interrupted) as ended:
            interrupts.run(opening(large))
    finally:
        # Where the opening has ended by itself it would hit whoever comes next.
        blow.cancel()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert ended.value.exit_code == 130
    assert time.thread_time() - began_s < _IDLE_S


async def test_what_is_raised_in_the_thread_is_raised_where_it_is_waited_for() -> None:
    def broken() -> int:
        raise KeyError("gone")

    with pytest.raises(KeyError):
        await off_the_loop(broken)


async def test_items_come_in_order_and_what_they_raise_comes_behind_them() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("torn")

    seen = []
    with pytest.raises(ValueError, match="torn"):
        async for item in each_off_the_loop(items()):
            seen.append(item)
    assert seen == [1, 2]
