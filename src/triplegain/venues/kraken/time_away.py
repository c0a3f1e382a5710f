"""The time between two runs: trades of all instruments, gathered until they can be told in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from triplegain.venues.kraken.tape import TapeTrade


@dataclass(slots=True)
class _Window:
    """Of one instrument: since when, what was traded, and why the rest cannot be had."""

    since_ns: int
    pages: list[list[TapeTrade]] = field(default_factory=list)
    why_missed: str = ""


class TimeAway:
    """Replies of the history are put in as they come and taken out by time."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def __bool__(self) -> bool:
        return bool(self._windows)

    def add(self, symbol: str, since_ns: int, trades: list[TapeTrade]) -> None:
        """A page; the first one of an instrument says where its window begins."""
        self._window(symbol, since_ns).pages.append(trades)

    def fail(self, symbol: str, since_ns: int, why: str) -> None:
        """The rest of the window cannot be had."""
        self._window(symbol, since_ns).why_missed = why

    def _window(self, symbol: str, since_ns: int) -> _Window:
        return self._windows.setdefault(symbol, _Window(since_ns))

    def windows(self) -> list[tuple[str, int, str]]:
        """Symbol, beginning, and why it is not whole (else empty); earliest first."""
        told = [(symbol, one.since_ns, one.why_missed) for symbol, one in self._windows.items()]
        return sorted(told, key=lambda one: one[1])

    def trades(self) -> list[tuple[str, TapeTrade]]:
        """Trades of all instruments by time; pages may overlap."""
        told = [(symbol, trade) for symbol, one in self._windows.items() for page in one.pages for trade in page]
        return sorted(told, key=lambda one: (one[1].time_ns, one[0], one[1].number))
