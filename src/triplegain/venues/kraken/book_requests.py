"""Which books have to be asked for on a connection, and when: at once, then ever later while it does not help."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: A book that was fine for this long is asked for at once again.
_FORGIVEN_AFTER_S = 10.0
_WAIT_MAX_S = 30.0


@dataclass(slots=True)
class _Wanted:
    """One book; times are seconds of a steady clock, None where there is none."""

    asked_s: float | None = None
    attempts: int = 0
    due_s: float | None = None
    check_s: float | None = None
    is_subscribed: bool = False


class BookRequests:
    """The books of one connection. `is_waiting` says whether an instrument still has none."""

    def __init__(self, symbols: Iterable[str], check_after_s: float, is_waiting: Callable[[str], bool]) -> None:
        self._books = {symbol: _Wanted() for symbol in symbols}
        self._check_after_s = check_after_s
        self._is_waiting = is_waiting

    def want(self, symbol: str, now_s: float) -> None:
        """Its book is not right: ask for it, at once if that has not been done lately."""
        one = self._books.get(symbol)
        if one is None or one.due_s is not None:
            return
        if one.asked_s is None or now_s - one.asked_s > _FORGIVEN_AFTER_S + _wait_s(one.attempts):
            one.attempts = 0
            one.due_s = now_s
        else:
            one.due_s = max(now_s, one.asked_s + _wait_s(one.attempts))

    def expect(self, now_s: float) -> None:
        """Books will be wanted soon; those that are not by then are all the same."""
        for one in self._books.values():
            one.check_s = now_s + self._check_after_s

    def take_due(self, now_s: float) -> dict[str, bool]:
        """Books to ask for now, and whether each has to be unsubscribed first."""
        taken = {}
        for symbol, one in self._books.items():
            if one.check_s is not None and one.check_s <= now_s:
                one.check_s = None
                if self._is_waiting(symbol):
                    self.want(symbol, now_s)
            if one.due_s is not None and one.due_s <= now_s:
                taken[symbol] = one.is_subscribed
                one.due_s = None
                one.asked_s = now_s
                one.attempts += 1
                one.check_s = now_s + self._check_after_s
                one.is_subscribed = True
        return taken

    def next_s(self) -> float | None:
        """When there is something to do next."""
        times = [time for one in self._books.values() for time in (one.due_s, one.check_s) if time is not None]
        return min(times, default=None)


def _wait_s(attempts: int) -> float:
    """Seconds between one request for a book and the next, after so many in a row."""
    return 0.0 if attempts <= 1 else min(2.0 ** (attempts - 2), _WAIT_MAX_S)
