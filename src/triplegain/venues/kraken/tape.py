"""The public trades of one instrument, each told once, whatever the connection does to them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from triplegain.venues.kraken.stream_clock import StreamCounters
from triplegain.venues.kraken.wire.writer import TapeTrade

#: REST rounds times to tenths of a microsecond, WebSocket cuts them to whole ones.
_ROUNDING_NS = 1000

#: Numbers of so many missing trades are kept.
_LONGEST_HOLE = 5000


class TapeState(Enum):
    """NEW: nothing heard yet. LIVE: every trade is told as it comes. CUT: what comes waits until the hole is closed."""

    NEW = 0
    LIVE = 1
    CUT = 2


class TapeSeen(Struct, frozen=True):
    """See `Tape`; `missing` are the numbers of trades, in order."""

    state: int
    last_number: int
    last_time_ns: int
    missing: list[int]
    missing_since_ns: int
    held: list[TapeTrade]


class Tape:
    """Trades in, those that are new out, in order.

    After `cut` or `begin` the tape waits for a snapshot that reaches back to what it knows; if that does not, trades
    are held until pages of the history close the hole, or `give_up`. So it is after a hole of thousands. A smaller one
    while LIVE holds nothing back: its trades are told when they come.
    """

    def __init__(self, counters: StreamCounters) -> None:
        self._counters = counters
        self.state = TapeState.NEW
        self.last_number = 0
        self.last_time_ns = 0
        self._missing: dict[int, None] = {}
        self._missing_since_ns = 0
        self._held: dict[int, TapeTrade] = {}

    def seen(self) -> TapeSeen:
        return TapeSeen(
            self.state.value,
            self.last_number,
            self.last_time_ns,
            list(self._missing),
            self._missing_since_ns,
            list(self._held.values()),
        )

    def see(self, seen: TapeSeen) -> None:
        """Go on as another one stood."""
        self.state, self.last_number, self.last_time_ns = TapeState(seen.state), seen.last_number, seen.last_time_ns
        self._missing, self._missing_since_ns = dict.fromkeys(seen.missing), seen.missing_since_ns
        self._held = {trade.number: trade for trade in seen.held}

    @property
    def wanted_since_ns(self) -> int | None:
        """The history needed to close a hole begins after this time; None where there is no hole."""
        if self._missing:
            return max(self._missing_since_ns - _ROUNDING_NS, 0)
        return max(self.last_time_ns - _ROUNDING_NS, 0) if self._held else None

    def begin(self, since_ns: int) -> None:
        """Trades up to that time were told before this run."""
        self.state = TapeState.CUT
        self.last_time_ns = since_ns

    def forget(self) -> None:
        """Nothing that was not told can be had any more: the next snapshot says where the tape stands."""
        self.state = TapeState.NEW
        self._missing.clear()
        self._held.clear()

    def cut(self) -> None:
        """The connection ended."""
        if self.state is TapeState.LIVE:
            self.state = TapeState.CUT

    def on_update(self, trades: Iterable[TapeTrade]) -> list[TapeTrade]:
        """Trades as they happen."""
        rows = list(trades)
        # Thousands are missing before the first of them.
        if rows and self.last_number and rows[0].number - self.last_number > _LONGEST_HOLE:
            # Too many to wait for one by one: nothing is told before the history has said what they were.
            self._counters.gaps += 1
            self.state = TapeState.CUT
        if self.state is TapeState.CUT:
            self._hold(rows)
            return []
        self.state = TapeState.LIVE
        return self._new(rows)

    def on_snapshot(self, trades: Iterable[TapeTrade]) -> list[TapeTrade]:
        """The last trades of a new subscription; the very first only says where the tape stands."""
        rows = sorted(trades, key=_number)
        if rows and (self.state is TapeState.NEW or self._is_renumbered(rows[-1])):
            self._held.clear()
            self._restart(rows[-1])
            rows = []
        if self.state is not TapeState.CUT or not rows:
            self.state = TapeState.LIVE
            return self._new([row for row in rows if self._is_due(row)])
        self._hold(rows)
        return self._link() if self._reaches(rows[0]) else []

    def on_page(self, trades: Iterable[TapeTrade]) -> list[TapeTrade]:
        """A page of the history. What it does not have where it should be is lost."""
        rows = sorted(trades, key=_number)
        if not rows:
            return []
        held = min(self._held, default=0)
        told = self._new([row for row in rows if self._is_due(row) and (not held or row.number < held)])
        self._forget(rows[-1])
        if held and rows[-1].number >= held - 1:
            told += self._link()
        return told

    def give_up(self) -> list[TapeTrade]:
        """The history cannot be had: what is held is told, what is missing is lost."""
        self._counters.lost_trades += len(self._missing)
        self._missing.clear()
        return self._link() if self._held else []

    def _link(self) -> list[TapeTrade]:
        self.state = TapeState.LIVE
        held, self._held = self._held, {}
        return self._new(held.values())

    def _hold(self, rows: Iterable[TapeTrade]) -> None:
        self._held |= {row.number: row for row in rows if self._is_fresh(row)}

    def _is_fresh(self, trade: TapeTrade) -> bool:
        if self.last_number:
            return trade.number > self.last_number
        return trade.time_ns > self.last_time_ns + _ROUNDING_NS

    def _is_due(self, trade: TapeTrade) -> bool:
        return trade.number in self._missing or self._is_fresh(trade)

    def _reaches(self, first: TapeTrade) -> bool:
        """Whether nothing can be missing between what we know and this trade."""
        if self.last_number:
            return first.number <= self.last_number + 1
        return not self._is_fresh(first)

    def _is_renumbered(self, trade: TapeTrade) -> bool:
        """A later trade with a smaller number: the exchange counts anew, or the number before was none."""
        return trade.number <= self.last_number and trade.time_ns > self.last_time_ns + _ROUNDING_NS

    def _restart(self, trade: TapeTrade) -> None:
        self._missing.clear()
        self.last_number, self.last_time_ns = trade.number, trade.time_ns

    def _new(self, trades: Iterable[TapeTrade]) -> list[TapeTrade]:
        told = []
        for trade in sorted(trades, key=_number):
            if trade.number in self._missing:
                del self._missing[trade.number]
                self._counters.late_trades += 1
            elif self._is_fresh(trade):
                if self.last_number and trade.number != self.last_number + 1:
                    self._open_hole(trade.number)
                self.last_number = trade.number
                self.last_time_ns = max(self.last_time_ns, trade.time_ns)
            elif self._is_renumbered(trade):
                self._restart(trade)
            else:
                self._counters.duplicates += 1
                continue
            told.append(trade)
        self._counters.trades += len(told)
        return told

    def _open_hole(self, number: int) -> None:
        self._counters.gaps += 1
        if not self._missing:
            self._missing_since_ns = self.last_time_ns
        if number - self.last_number <= _LONGEST_HOLE:
            self._missing |= dict.fromkeys(range(self.last_number + 1, number))

    def _forget(self, newest: TapeTrade) -> None:
        """The history goes beyond these numbers and does not have them."""
        gone = [number for number in self._missing if number < newest.number]
        for number in gone:
            del self._missing[number]
        self._counters.lost_trades += len(gone)
        self._missing_since_ns = max(self._missing_since_ns, newest.time_ns)


def _number(trade: TapeTrade) -> int:
    return trade.number
