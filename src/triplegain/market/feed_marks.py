"""Places in a feed from which it can go on: whoever was there once need not take everything before it again.

A place says how the feed's own machine stands (its generator, its files, its decoders and their books), and nothing of
whoever listens.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from triplegain.domain.clock import MINUTE_NS, NEVER
from triplegain.domain.errors import InvalidValueError

T = TypeVar("T")
#: How a feed stands, or that as JSON already.
AnyPlace = msgspec.Struct | msgspec.Raw


class FeedMark(msgspec.Struct, frozen=True):
    """How a feed stands after its first `position` messages; `place` is JSON that only the feed itself can read."""

    position: int
    place: msgspec.Raw


class FeedMarks:
    """Of one run through a feed, which begins after `start` and puts its places here: the first at or after `due_ns`
    of market time, before it tells what follows. Without `every_ns` nobody wants any."""

    def __init__(self, start: FeedMark | None = None, every_ns: int | None = MINUTE_NS) -> None:
        self.start = start
        #: Messages before the first that this run tells.
        self.position = 0 if start is None else start.position
        self.due_ns = NEVER if every_ns is None else 0
        self.every_ns = every_ns
        self._latest: tuple[int, AnyPlace] | None = None

    def place(self, kind: type[T]) -> T | None:
        """Where the run begins; None for the beginning. Raises InvalidValueError for a place of another feed."""
        if self.start is None:
            return None
        try:
            return msgspec.json.decode(self.start.place, type=kind)
        except msgspec.DecodeError as error:
            raise InvalidValueError(f"the feed cannot go on from where it was ({error})") from error

    @property
    def latest_place(self) -> tuple[int, AnyPlace] | None:
        """The latest with the messages before it; None before the first."""
        return self._latest

    def put(self, position: int, place: AnyPlace, time_ns: int) -> None:
        """The feed stands so after its first `position` messages; nothing of `place` changes any more."""
        self._latest = position, place
        self.due_ns = NEVER if self.every_ns is None else time_ns - time_ns % self.every_ns + self.every_ns

    @property
    def latest_position(self) -> int | None:
        """Of the latest place; None before the first."""
        return None if self._latest is None else self._latest[0]

    @property
    def latest(self) -> FeedMark | None:
        """The latest place, written down."""
        if self._latest is None:
            return None
        position, place = self._latest
        return FeedMark(position, msgspec.Raw(msgspec.json.encode(place)))


def unmarked() -> FeedMarks:
    """From the beginning, and nobody wants a place."""
    return FeedMarks(every_ns=None)
