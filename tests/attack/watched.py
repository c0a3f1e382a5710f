"""`python -m tests.attack.watched WORDS`: the product with a watch on its event loop.

The longest callback's time on the processor is written to WATCHED_FILE, again whenever it grows.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path


def watch(told: Path) -> Callable[[asyncio.Handle], None]:
    run, thread_time, worst = asyncio.Handle._run, time.thread_time, 0.0

    def watched(handle: asyncio.Handle) -> None:
        nonlocal worst
        before = thread_time()
        try:
            run(handle)
        finally:
            taken = thread_time() - before
            # What is loaded before a market flows is no concern of this watch.
            if taken > worst and told.with_suffix(".begun").exists():
                worst = taken
                told.write_text(json.dumps({"worst_s": taken, "callback": repr(handle)[:600]}))

    return watched


if __name__ == "__main__":
    asyncio.Handle._run = watch(Path(os.environ["WATCHED_FILE"]))  # type: ignore[method-assign, assignment]
    sys.argv[0] = "triplegain"
    runpy.run_module("triplegain", run_name="__main__", alter_sys=True)
