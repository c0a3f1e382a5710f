"""`python -m tests.attack.watched WORDS`: the product with a watch on its event loop.

The longest callback's time on the processor is written to WATCHED_FILE, again whenever it grows, with where it was.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

#: Of a callback that takes longer it is noted where it was, and how fast the processor is just then.
_LONG_S = 0.05
_LOOK_S = 0.01


def fixed_work_s() -> float:
    """What the same work takes on the processor: twice as long as at other times while its neighbour is busy."""
    before, total = time.thread_time(), 0
    for each in range(20_000):
        total += each * each
    return time.thread_time() - before


class LoopWatch:
    """Of the event loop of the thread that makes it. A callback counts as what it would take at the processor's best:
    what others make of the machine is no fault of the product."""

    def __init__(self, told: Path, fixed_work_s: Callable[[], float] = fixed_work_s) -> None:
        self._told, self._fixed_work_s = told, fixed_work_s
        self._run = asyncio.Handle._run
        self._least_s = min(fixed_work_s() for _ in range(50))
        self._worst_s = 0.0
        self._began_s: float | None = None
        self._where = ""
        self._thread = threading.get_ident()
        threading.Thread(target=self._look, daemon=True).start()

    def run(self, handle: asyncio.Handle) -> None:
        """In the place of `asyncio.Handle._run`."""
        self._where, self._began_s = "", time.thread_time()
        try:
            self._run(handle)
        finally:
            taken_s = time.thread_time() - self._began_s
            self._began_s = None
            # What is loaded before a market flows is no concern of this watch.
            if taken_s > max(_LONG_S, self._worst_s) and self._told.with_suffix(".begun").exists():
                self._note(handle, taken_s)

    def _note(self, handle: asyncio.Handle, taken_s: float) -> None:
        now_s = sum(self._fixed_work_s() for _ in range(3)) / 3
        self._least_s = min(self._least_s, now_s)
        worst_s = taken_s * self._least_s / now_s
        if worst_s > self._worst_s:
            self._worst_s = worst_s
            told = {"worst_s": worst_s, "taken_s": taken_s, "callback": repr(handle)[:600], "where": self._where}
            self._told.write_text(json.dumps(told))

    def _look(self) -> None:
        clock = time.pthread_getcpuclockid(self._thread)
        while True:
            time.sleep(_LOOK_S)
            began_s = self._began_s
            if began_s is None or self._where or time.clock_gettime(clock) - began_s < _LONG_S:
                continue
            if frame := sys._current_frames().get(self._thread):
                self._where = "".join(traceback.format_stack(frame)[-12:])


if __name__ == "__main__":
    watch = LoopWatch(Path(os.environ["WATCHED_FILE"]))

    # A method of `watch` itself would not be told of which handle it is.
    def run(handle: asyncio.Handle) -> None:
        watch.run(handle)

    asyncio.Handle._run = run  # type: ignore[method-assign, assignment]
    sys.argv[0] = "triplegain"
    runpy.run_module("triplegain", run_name="__main__", alter_sys=True)
