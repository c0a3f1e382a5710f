"""Feeds of several instruments merged by time, so that they can go on in the middle together."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.market import MarketEvent
from triplegain.market.feed_marks import AnyPlace, FeedMark, FeedMarks


class _LanePlace(msgspec.Struct, frozen=True):
    """Where a lane's own feed can go on (None: from its beginning), how many events it had told there, how many of
    them all had been taken from it, and how late it was then."""

    mark: FeedMark | None
    told: int
    taken: int
    time_ns: int = 0


class _Merged(msgspec.Struct, frozen=True):
    lanes: list[_LanePlace]


class _LaneAt(msgspec.Struct, frozen=True):
    """The same, not written down yet."""

    mark: _MarkAt | None
    told: int
    taken: int
    time_ns: int


class _MarkAt(msgspec.Struct, frozen=True):
    position: int
    place: Any


class _MergedAt(msgspec.Struct, frozen=True):
    lanes: list[_LaneAt]


class LaneMarks(FeedMarks):
    """Of one lane. `told` counts what it has told, which may be more or less than its feed: the lane keeps count.

    `time_ns` never runs back: what tells of an earlier moment comes when it was told.
    """

    def __init__(self, start: FeedMark | None, every_ns: int | None, told: int, time_ns: int) -> None:
        super().__init__(start, every_ns)
        self.told = self._told_then = told
        self.time_ns = self._time_before_ns = time_ns
        self.is_over = False

    def count(self, event: MarketEvent) -> int:
        """One more has been told; when it comes."""
        self.told += 1
        self._time_before_ns = self.time_ns
        self.time_ns = max(self.time_ns, event.exchange_time_ns)
        return self.time_ns

    def put(self, position: int, place: AnyPlace, time_ns: int) -> None:
        super().put(position, place, time_ns)
        self._told_then = self.told

    def at(self) -> _LaneAt:
        """Where the lane stands. One that is not over has told one event that nobody has been handed yet."""
        taken, time_ns = (self.told, self.time_ns) if self.is_over else (self.told - 1, self._time_before_ns)
        if self.latest_place is not None:
            position, place = self.latest_place
            return _LaneAt(_MarkAt(position, place), self._told_then, taken, time_ns)
        if self.start is None:
            return _LaneAt(None, 0, taken, time_ns)
        return _LaneAt(_MarkAt(self.start.position, self.start.place), self._told_then, taken, time_ns)


#: The events of a lane, from where its marks begin; the lane counts them in `told`.
Lane = Callable[[LaneMarks], Iterator[MarketEvent]]


def merged(lanes: Sequence[Lane], marks: FeedMarks) -> Iterator[MarketEvent]:
    """Their events by time, at equal times in the order of the lanes. Raises InvalidValueError at once for a start that
    is none of theirs."""
    begun = marks.place(_Merged)
    if begun is not None and len(begun.lanes) != len(lanes):
        raise InvalidValueError(f"{len(lanes)} instruments cannot go on where {len(begun.lanes)} were")
    places: list[_LanePlace | None] = [None] * len(lanes) if begun is None else list(begun.lanes)
    each = [
        LaneMarks(None, marks.every_ns, 0, 0)
        if place is None
        else LaneMarks(place.mark, marks.every_ns, place.told, place.time_ns)
        for place in places
    ]
    streams = [_counted(lane(own), own) for lane, own in zip(lanes, each, strict=True)]
    skipped = [0 if place is None else place.taken - place.told for place in places]
    return _merge(streams, skipped, each, marks)


def _counted(events: Iterator[MarketEvent], marks: LaneMarks) -> Iterator[tuple[int, MarketEvent]]:
    for event in events:
        yield marks.count(event), event
    marks.is_over = True


def _merge(
    streams: Sequence[Iterator[tuple[int, MarketEvent]]],
    skipped: Sequence[int],
    each: Sequence[LaneMarks],
    marks: FeedMarks,
) -> Iterator[MarketEvent]:
    for stream, count in zip(streams, skipped, strict=True):
        deque(islice(stream, count), maxlen=0)
    for time_ns, event in heapq.merge(*streams, key=itemgetter(0)):
        if time_ns >= marks.due_ns:
            at = [own.at() for own in each]
            marks.put(sum(one.taken for one in at), _MergedAt(at), time_ns)
        yield event
