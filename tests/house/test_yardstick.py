"""The yardstick of times: who waits is not excused, whose work is held up by others is."""

from __future__ import annotations

import pytest
from tests import yardstick
from tests.yardstick import slowness, timed


class _Machine:
    """On which everything takes `held_up` times as long as its processor time."""

    def __init__(self, held_up: float) -> None:
        self._held_up = held_up
        self._worked = 0.0

    def thread_time(self) -> float:
        self._worked += 0.001
        return self._worked

    def monotonic(self) -> float:
        return self._worked * self._held_up


@pytest.mark.parametrize(("held_up", "expected"), [(1.0, 1.0), (3.0, 3.0), (0.5, 1.0)])
def test_how_much_slower_everything_is(monkeypatch: pytest.MonkeyPatch, held_up: float, expected: float) -> None:
    monkeypatch.setattr(yardstick, "time", machine := _Machine(held_up))
    assert slowness() == pytest.approx(expected, rel=0.05)
    with timed() as took:
        machine._worked += 2
    # Two seconds of work: held up, they took `held_up` times as long, and so does the fixed work.
    assert took.seconds == pytest.approx(2 * held_up / expected, rel=0.05)
