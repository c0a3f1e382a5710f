"""How soon a lost connection is tried again: at once a few times, then ever later, never beyond what Kraken allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from triplegain.domain.ids import jitter

#: Attempts that follow at once.
_IMMEDIATE = 3

#: Longest wait, and the least one after maintenance, that Kraken asks for, or after a refusal, which doubles.
_WAIT_MAX_S = 60.0
_AT_LEAST_S = 5.0

#: Kraken's limit is 150 connections in ten minutes for all that come from one address.
_WINDOW_S = 600.0
_IN_WINDOW = 100

#: A connection that lived this long was a good one.
_GOOD_AFTER_S = 10.0


class ConnectBudget:
    """Connections of one program in the last ten minutes. Times are seconds of a steady clock."""

    def __init__(self, most: int = _IN_WINDOW, window_s: float = _WINDOW_S) -> None:
        self._most = most
        self._window_s = window_s
        self._taken: deque[float] = deque()

    def take(self, now_s: float) -> float:
        """Counts one more connection; the seconds it has to wait."""
        while self._taken and self._taken[0] <= now_s - self._window_s:
            self._taken.popleft()
        at_s = now_s if len(self._taken) < self._most else self._taken[-self._most] + self._window_s
        self._taken.append(at_s)
        return at_s - now_s


class Reconnecting:
    """The waits of one connection. `draw` gives a random number up to its argument."""

    def __init__(self, budget: ConnectBudget, draw: Callable[[float], float] = jitter) -> None:
        self._budget = budget
        self._draw = draw
        self._attempts = 0
        self._refusals = 0
        self._up_at_s: float | None = None

    def up(self, now_s: float) -> None:
        """It is connected."""
        self._up_at_s = now_s
        self._refusals = 0

    def wait_s(self, now_s: float, in_maintenance: bool = False, was_refused: bool = False) -> float:
        """Seconds before the next attempt, which is counted; `was_refused`: there were too many for the exchange."""
        if self._up_at_s is not None and now_s - self._up_at_s >= _GOOD_AFTER_S:
            self._attempts = 0
        self._up_at_s = None
        late = max(self._attempts - _IMMEDIATE, -1)
        wait_s = self._draw(min(2.0**late, _WAIT_MAX_S)) if late >= 0 else 0.0
        self._attempts += 1
        if in_maintenance:
            wait_s = max(wait_s, _AT_LEAST_S)
        if was_refused:
            wait_s = max(wait_s, min(_AT_LEAST_S * 2.0**self._refusals, _WAIT_MAX_S))
            self._refusals += 1
        return wait_s + self._budget.take(now_s + wait_s)
