"""Frames followed as our own feed follows them, without a connection."""

from __future__ import annotations

from collections.abc import Iterable

from triplegain.domain.clock import SECOND_NS
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import MarketEvent
from triplegain.venues.kraken.feed_line import FrameLine
from triplegain.venues.kraken.stream import KrakenStream, StreamSettings


class Followed:
    """`begin_ns` is the time at which the market begins; a frame without a time of receipt comes right then."""

    def __init__(self, instruments: Iterable[Instrument], begin_ns: int) -> None:
        self._stream = KrakenStream((), StreamSettings(book_depth=0, stale_after_ns=SECOND_NS))
        self._begin_ns = begin_ns
        self.counters = self._stream.counters
        for one in instruments:
            self._stream.watch(one, begin_ns)

    def take(self, frame: bytes, received_at_ns: int | None = None) -> list[MarketEvent]:
        return self._stream.on_line(FrameLine(received_at_ns or self._begin_ns, 0, frame))

    @property
    def found(self) -> tuple[int, int, int]:
        """Book messages; those that contradict their book or cannot be read; holes in the numbers of trades."""
        one = self.counters
        return one.book_updates, one.mismatches + one.crossed + one.garbage + one.reordered + one.skipped, one.gaps
