"""Times that are told against a yardstick: fixed work of the same moment, which a busy machine holds up as well."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

#: So much processor time a look at the machine takes.
_WORK_S = 0.05


def slowness() -> float:
    """How many times as long as its processor time something takes here and now: 1 where nobody else wants anything."""
    began, worked = time.monotonic(), time.thread_time()
    while time.thread_time() - worked < _WORK_S:
        pass
    return max(1.0, (time.monotonic() - began) / (time.thread_time() - worked))


class Took:
    """`seconds`: what it would have taken where nobody else wants anything, at the most; known after the block."""

    seconds = float("inf")


@contextmanager
def timed() -> Iterator[Took]:
    """How long the block takes; the machine is looked at before it and after it."""
    took, before, began = Took(), slowness(), time.monotonic()
    yield took
    elapsed_s = time.monotonic() - began
    took.seconds = elapsed_s / max(before, slowness())
