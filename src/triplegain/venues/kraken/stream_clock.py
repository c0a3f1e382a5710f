"""What all instruments of a live stream share: its clock, its counters, and what it asks of its connection."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.outside import tame
from triplegain.market.clock_offset import Bucket, ClockOffset


@dataclass(frozen=True, slots=True)
class BookWanted:
    """A new snapshot of an instrument's book: subscribe to it, after unsubscribing where it was subscribed."""

    symbol: str


@dataclass(frozen=True, slots=True)
class TradesWanted:
    """Public trades after that time, by REST: the tape has a hole."""

    symbol: str
    since_ns: int


@dataclass(frozen=True, slots=True)
class StatesWanted:
    """The exchange's own state and that of its pairs, by REST: it used a word that nobody here knows."""


StreamRequest = BookWanted | TradesWanted | StatesWanted


@dataclass(slots=True)
class StreamCounters:
    """Counts; every one of them but the first three should stay small."""

    frames: int = 0
    book_updates: int = 0
    trades: int = 0
    #: Books whose checksum was wrong.
    mismatches: int = 0
    #: Books that were crossed though their checksum was right.
    crossed: int = 0
    #: Messages that cannot be read, or hold numbers that cannot be, and what was wrong with the last of them.
    garbage: int = 0
    last_garbage: str = ""
    #: Messages of a kind or of an instrument nobody asked for.
    unknown: int = 0
    #: Messages and trades that had been told before.
    duplicates: int = 0
    #: Book messages older than the one before.
    reordered: int = 0
    #: Holes in the numbers of trades, trades that came late and filled one, trades that never came.
    gaps: int = 0
    late_trades: int = 0
    lost_trades: int = 0
    #: Book updates that came while the book waited for a snapshot.
    skipped: int = 0
    #: Book updates left out because the session was too slow, and how often that was.
    dropped: int = 0
    overruns: int = 0
    #: Connections that ended.
    reconnects: int = 0
    #: Connections that fell silent.
    silences: int = 0
    #: Subscriptions Kraken refused.
    refusals: int = 0
    #: Messages from too far in the future.
    leaps: int = 0

    @property
    def holes(self) -> int:
        """Places where something is missing, on the exchange's side or ours."""
        return self.gaps + self.overruns

    def count_garbage(self, error: Exception) -> None:
        self.garbage += 1
        self.last_garbage = tame(str(error))

    def words(self) -> str:
        """The connection in a few words: how much came, and what was wrong, where anything was."""
        troubles = (
            (self.reconnects, "reconnect", "reconnects"),
            (self.mismatches, "wrong checksum", "wrong checksums"),
            (self.crossed, "crossed book", "crossed books"),
            (self.silences, "silence", "silences"),
            (self.garbage, "unreadable message", "unreadable messages"),
            (self.refusals, "refused subscription", "refused subscriptions"),
            (self.unknown, "message of an unknown kind", "messages of an unknown kind"),
            (self.gaps, "hole in the tape", "holes in the tape"),
            (self.lost_trades, "trade lost", "trades lost"),
            (self.dropped, "book update dropped", "book updates dropped"),
        )
        told = [f"{count:,} {one if count == 1 else many}" for count, one, many in troubles if count]
        return ", ".join([f"{self.frames:,} messages", *told])


#: A message may be this far ahead of what the local clock lets expect, plus what a faster market gains meanwhile.
LEAP_NS = 60 * SECOND_NS

#: Local time over which the market's speed can be told.
_SPEED_AFTER_NS = SECOND_NS


class ClockSeen(Struct, frozen=True):
    """See `StreamClock`."""

    now_ns: int
    offset: tuple[Bucket, ...]
    known: bool
    first: tuple[int, int]
    newest: tuple[int, int]
    suspect: tuple[int, int] | None


class StreamClock:
    """Never runs backwards, and no single message throws it forward.

    A message far in the future is told at the time it came; only when the next one is later still does time follow.
    """

    __slots__ = ("_first", "_known", "_newest", "_now_ns", "_offset", "_suspect", "counters")

    def __init__(self, counters: StreamCounters | None = None) -> None:
        self.counters = counters or StreamCounters()
        self._now_ns = 0
        self._offset = ClockOffset()
        self._known = False
        #: (exchange, local) time of the first and the newest message that moved the clock.
        self._first = (0, 0)
        self._newest = (0, 0)
        #: The same of the last message if it was too far ahead.
        self._suspect: tuple[int, int] | None = None

    def seen(self) -> ClockSeen:
        return ClockSeen(self._now_ns, self._offset.buckets, self._known, self._first, self._newest, self._suspect)

    def see(self, seen: ClockSeen) -> None:
        """Go on as another one stood."""
        self._now_ns, self._offset, self._known = seen.now_ns, ClockOffset(0, seen.offset), seen.known
        self._first, self._newest, self._suspect = seen.first, seen.newest, seen.suspect

    @property
    def is_known(self) -> bool:
        """Whether the exchange's time was ever heard of."""
        return self._known

    @property
    def latest_ns(self) -> int:
        """Market time as it was told last."""
        return self._now_ns

    def set(self, exchange_ns: int, received_ns: int) -> None:
        """The exchange says what time it is; believed as long as no message has said so."""
        if not self._known:
            self._begin(exchange_ns, received_ns)

    def at(self, exchange_ns: int, received_ns: int, *, is_news: bool = True) -> int:
        """Market time of a message that says its own. Not `is_news`: it may tell of what was long ago, and then it says
        nothing of how long it travelled."""
        ahead = exchange_ns - received_ns - self._offset.value
        if ahead > 0 or self._suspect is not None or not self._known:
            if not self._known:
                self._begin(exchange_ns, received_ns)
            elif (
                ahead > LEAP_NS
                and self._is_too_far(exchange_ns, received_ns)
                and not self._is_confirmed(exchange_ns, received_ns)
            ):
                return self.now(received_ns)
            else:
                self._suspect = None
                self._follow(exchange_ns, received_ns)
        elif is_news:
            self._offset.learn(exchange_ns, received_ns)
        if exchange_ns > self._now_ns:
            self._now_ns = exchange_ns
        return self._now_ns

    def now(self, received_ns: int) -> int:
        """Market time of a message that says none."""
        time_ns = received_ns + self._offset.value
        if time_ns > self._now_ns and self._known:
            self._now_ns = time_ns
        return self._now_ns

    def _begin(self, exchange_ns: int, received_ns: int) -> None:
        self._known = True
        self._offset.learn(exchange_ns, received_ns)
        self._first = self._newest = (exchange_ns, received_ns)

    def _follow(self, exchange_ns: int, received_ns: int) -> None:
        if exchange_ns - received_ns > self._offset.value:
            self._newest = (exchange_ns, received_ns)
        self._offset.learn(exchange_ns, received_ns)

    def _is_too_far(self, exchange_ns: int, received_ns: int) -> bool:
        """A market served faster than real time gains on the local clock while it waits: that much is right."""
        (exchange, local), (newest_exchange, newest_local) = self._first, self._newest
        allowed = LEAP_NS
        if newest_local - local >= _SPEED_AFTER_NS:
            waited = received_ns - newest_local
            allowed += 2 * waited * max(newest_exchange - exchange, 0) // (newest_local - local)
        return exchange_ns - received_ns - self._offset.value > allowed

    def _is_confirmed(self, exchange_ns: int, received_ns: int) -> bool:
        """Two messages in a row that are too far ahead, the second later than the first: the first was right."""
        self.counters.leaps += 1
        suspect, self._suspect = self._suspect, (exchange_ns, received_ns)
        if suspect is None or exchange_ns <= suspect[0]:
            return False
        self._follow(*suspect)
        return not self._is_too_far(exchange_ns, received_ns)
