"""The watch on an event loop tells of a callback that is too long, and of no slow machine."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from tests.attack.watched import LoopWatch


def burns(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(1000))


def what_is_told(tmp_path: Path, seconds: float, fixed_work_s: Callable[[], float]) -> dict[str, Any]:
    """Of one callback that takes so long; nothing for one that is not noted."""
    told = tmp_path / "watched.json"
    told.with_suffix(".begun").touch()
    loop = asyncio.new_event_loop()
    LoopWatch(told, fixed_work_s).run(asyncio.Handle(burns, (seconds,), loop))
    loop.close()
    found: dict[str, Any] = json.loads(told.read_text()) if told.exists() else {}
    return found


def test_a_long_callback_is_told_with_where_it_was(tmp_path: Path) -> None:
    # Who looks gets the processor a few times meanwhile, however busy the machine.
    told = what_is_told(tmp_path, 0.4, lambda: 0.001)
    assert 0.4 <= told["worst_s"] == pytest.approx(told["taken_s"])
    assert "burns" in told["callback"] and "burns" in told["where"]


def test_it_counts_as_what_it_takes_at_the_processors_best(tmp_path: Path) -> None:
    # 1 ms of fixed work at the start, 2 ms beside the callback: 120 ms of it are 60.
    told = what_is_told(tmp_path, 0.12, chain(repeat(0.001, 50), repeat(0.002)).__next__)
    assert told["worst_s"] == pytest.approx(told["taken_s"] / 2)


def test_a_short_one_is_not(tmp_path: Path) -> None:
    assert what_is_told(tmp_path, 0.01, lambda: 0.001) == {}
