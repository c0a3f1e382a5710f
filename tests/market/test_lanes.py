"""Feeds of several instruments as one: what tells of an earlier moment comes when it was told, after a resume too."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from triplegain.domain.market import MarketEvent, PublicTrade
from triplegain.domain.orders import Side
from triplegain.market.feed_marks import FeedMark, FeedMarks
from triplegain.market.lanes import Lane, LaneMarks, merged

#: By lane, moments in the order in which they were told.
MOMENTS = {"A": (10, 40, 20, 41, 25, 90, 60, 95), "B": (11, 30, 35, 42, 43, 70, 92, 96)}


class _Place(msgspec.Struct, frozen=True):
    told: int


def _lane(symbol: str) -> Lane:
    def events(marks: LaneMarks) -> Iterator[MarketEvent]:
        begun = marks.place(_Place)
        first = 0 if begun is None else begun.told
        for number, moment in enumerate(MOMENTS[symbol][first:], first):
            if moment >= marks.due_ns:
                marks.put(marks.position + number - first, _Place(number), moment)
            yield PublicTrade(symbol, moment, moment, 1, 1, Side.BUY, str(number))

    return events


def _told(start: FeedMark | None, every_ns: int) -> list[tuple[str, int, FeedMark | None]]:
    """Symbol, moment and the latest place before it."""
    marks = FeedMarks(start, every_ns)
    return [(each.symbol, each.exchange_time_ns, marks.latest) for each in merged([_lane("A"), _lane("B")], marks)]


def test_a_late_message_comes_right_after_the_one_before_it() -> None:
    told = [(symbol, moment) for symbol, moment, _ in _told(None, 1000)]
    assert told[:8] == [
        ("A", 10), ("B", 11), ("B", 30), ("B", 35), ("A", 40), ("A", 20), ("A", 41), ("A", 25),
    ]  # fmt: skip


def test_from_every_place_it_goes_on_as_if_it_had_never_ended() -> None:
    whole = _told(None, 1)
    marks = {mark.position: mark for _, _, mark in whole if mark is not None}
    assert len(marks) > 8
    for position, mark in marks.items():
        rest = [each[:2] for each in _told(mark, 1)]
        assert rest == [each[:2] for each in whole][position:]
