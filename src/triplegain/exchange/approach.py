"""How near the market came to orders while they waited: the lowest and the highest trade since each of them stood.

Nothing is done for an order at a trade. Orders are told apart only by when they came: those between whom no trade was
more extreme than all later ones share an entry, so that a trade that is no new extreme costs a comparison, and one that
is joins entries for good. What came lately stays apart for a while: a trade of before may still be told.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping
from operator import itemgetter

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.parts import Parts, Touch, nobody

LOW, HIGH = 0, 1
#: What no trade has come to yet.
_NONE = (1 << 62, -1)
#: Entries that nobody waits on go when there are more than this, and again when there are twice as many as were left.
_KEPT = 64
#: Orders of one moment are told apart by these bits of an entry's number, which is the moment since when it counts.
_BITS = 16
_NUMBER = itemgetter(0)

#: Number, price in ticks, and when: of each what was since then, up to now.
_Entry = tuple[int, int, int]
#: The same, the number as text.
_StoredEntry = tuple[str, int, int]
StoredApproach = tuple[tuple[_StoredEntry, ...], tuple[_StoredEntry, ...]]


class Approach:
    """Of one account in one market. `changed` is told when there is another extreme."""

    def __init__(self, changed: Callable[[], None], late_ns: int = 2 * SECOND_NS) -> None:
        """A trade may be told so long after others of a later moment, and count for the older orders alone."""
        self._late_ns = late_ns
        #: By number; each is at least as extreme as those after it.
        self.entries: tuple[list[_Entry], list[_Entry]] = ([], [])
        self._changed = changed
        self._prune_at = _KEPT

    @property
    def newest(self) -> tuple[int, int]:
        """A trade below the first or above the second is a new extreme for somebody."""
        lows, highs = self.entries
        return (lows[-1][1] if lows else -1), (highs[-1][1] if highs else 1 << 62)

    def begin(self, since: int, waiting: Callable[[], Collection[int]]) -> int:
        """An order waits from then on; returned is the number by which its extremes are found. `waiting`: those of all
        that wait."""
        number = _number(since)
        lows, highs = self.entries
        last = max(lows[-1][0], highs[-1][0]) if lows else -1
        if last >= number:
            untouched = lows[-1] == (last, _NONE[LOW], 0) and highs[-1] == (last, _NONE[HIGH], 0)
            if untouched:
                return last
            number = last + 1
        for side in (LOW, HIGH):
            self.entries[side].append((number, _NONE[side], 0))
        if max(len(lows), len(highs)) > self._prune_at:
            self._prune({*waiting(), number})
        self._changed()
        return number

    def trade(self, price: int, moment: int, time_ns: int) -> None:
        """A trade of that moment, as of `time_ns`: it counts for those that stood then."""
        until, late = _number(moment + 1), _number(moment - self._late_ns)
        for side in (LOW, HIGH):
            entries = self.entries[side]
            last = bisect_left(entries, until, key=_NUMBER) - 1
            if last < 0 or not _is_beyond(side, price, entries[last][1]):
                continue
            first = last
            while first and _is_beyond(side, price, entries[first - 1][1]):
                first -= 1
            apart = [entry[0] for entry in entries[first + 1 : last + 1] if entry[0] >= late]
            entries[first : last + 1] = [(number, price, time_ns) for number in (entries[first][0], *apart)]
            self._changed()

    def since(self, side: int, number: int) -> tuple[int, int] | None:
        """The most extreme trade since then, with its time; None where there was none."""
        entries = self.entries[side]
        found = bisect_right(entries, number, key=_NUMBER) - 1
        if found < 0 or entries[found][1] == _NONE[side]:
            return None
        return entries[found][1:]

    def _prune(self, waiting: Collection[int]) -> None:
        for entries in self.entries:
            wanted = {bisect_right(entries, number, key=_NUMBER) - 1 for number in waiting}
            # The last one stays: a number is found by it.
            entries[:] = [entry for place, entry in enumerate(entries) if place in wanted or entry is entries[-1]]
        self._prune_at = max(_KEPT, 2 * max(map(len, self.entries)))

    # -- what a session keeps ------------------------------------------------------------------------------------

    def stored(self) -> StoredApproach | None:
        lows, highs = (
            tuple((str(number), price, time_ns) for number, price, time_ns in entries) for entries in self.entries
        )
        return (lows, highs) if lows else None

    def restore(self, stored: StoredApproach) -> None:
        for entries, kept in zip(self.entries, stored, strict=True):
            entries[:] = [(int(number), price, time_ns) for number, price, time_ns in kept]


class Approaches:
    """All of a session, by symbol."""

    def __init__(self) -> None:
        self._markets: dict[str, Approach] = {}
        self._expect: dict[str, Callable[[], None]] = {}
        self._touch: Touch = nobody

    def open(self, symbol: str, expect: Callable[[], None]) -> Approach:
        """`expect` is called where one is back that is to be told of trades."""
        approach = self._markets[symbol] = Approach(lambda: self._touch(symbol))
        self._expect[symbol] = expect
        return approach

    def register(self, parts: Parts) -> None:
        self._touch = parts.keyed(
            "exchange.approach", StoredApproach, lambda symbol: self._markets[symbol].stored(), self._restore,
            self._markets.keys,
        )  # fmt: skip

    def _restore(self, stored: Mapping[str, StoredApproach]) -> None:
        for symbol, approach in stored.items():
            self._markets[symbol].restore(approach)
            self._expect[symbol]()


def _number(moment: int) -> int:
    """The first one of a moment; above zero, which stands for none."""
    return (max(moment, 0) + 1) << _BITS


def _is_beyond(side: int, price: int, other: int) -> bool:
    return price < other if side == LOW else price > other
