"""Which points of queues are kept, worked out a second time: all that became of a queue is written down, and what is
told of it is chosen by the rules of `docs/paper-exchange.md`."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Room for all of an order, for all but its last place and end, for places at once, and for every change.
_ROOM, _BEFORE_THE_LAST, _PLACES_AT_ONCE, _EVERY_CHANGE = 200, 198, 100, 120


@dataclass(frozen=True)
class QueueMoment:
    """What a queue was at a time: lots in front, None where nobody knows, and those traded so far."""

    time_ns: int
    ahead: int | None
    traded: int
    why: str

    @property
    def is_place(self) -> bool:
        return self.why in ("arrival", "amended", "refill")

    @property
    def is_end(self) -> bool:
        return self.why in ("filled", "ended")

    @property
    def is_trade(self) -> bool:
        return self.why in ("traded", "passed")


@dataclass
class QueueDiary:
    """Everything that happened to the queue of one order."""

    moments: list[QueueMoment] = field(default_factory=list)

    @property
    def traded(self) -> int:
        return self.moments[-1].traded if self.moments else 0

    def write(self, time_ns: int, ahead: int | None, traded: int, why: str) -> None:
        if self.moments or why == "arrival":
            self.moments.append(QueueMoment(time_ns, ahead, self.traded + traded, why))

    def told(self) -> list[QueueMoment]:
        """The points."""
        choice = _Choice()
        for moment in self.moments:
            if moment.is_place:
                choice.place(moment)
            elif moment.is_end:
                choice.end(moment)
            else:
                choice.change(moment)
        return choice.points


class _Choice:
    def __init__(self) -> None:
        self.points: list[QueueMoment] = []
        self._waiting: QueueMoment | None = None
        self._base = QueueMoment(0, None, 0, "")
        #: The queue of which the step is a hundredth.
        self._origin: int | None = None
        self._left_out = 0

    def place(self, place: QueueMoment) -> None:
        self._waiting, self._base, self._origin = place, place, place.ahead
        if len(self.points) < _PLACES_AT_ONCE:
            self._keep_place()

    def change(self, change: QueueMoment) -> None:
        if not self._is_one(change):
            return
        needed = 1 if self._waiting is None else 2
        if len(self.points) + needed > _BEFORE_THE_LAST:
            return
        self._left_out += 1
        one_of = 1
        if len(self.points) >= _EVERY_CHANGE:
            one_of = 2 ** (1 + (len(self.points) - _EVERY_CHANGE) // 4)
        if self._left_out < one_of:
            if self._waiting is None:
                self._go_from(change)
            return
        self._left_out = 0
        self._keep_place()
        self.points.append(change)
        self._go_from(change)

    def end(self, end: QueueMoment) -> None:
        still = (end.ahead, end.traded) == (self._base.ahead, self._base.traded)
        if len(self.points) > 1 or not still:
            if len(self.points) + 1 < _ROOM:
                self._keep_place()
            self.points.append(end)

    def _keep_place(self) -> None:
        if self._waiting is not None:
            self.points.append(self._waiting)
            self._waiting = None

    def _go_from(self, change: QueueMoment) -> None:
        if change.ahead is None or self._base.ahead is None:
            self._origin = change.ahead
        self._base = change

    def _is_one(self, change: QueueMoment) -> bool:
        if change.ahead is None or self._base.ahead is None:
            return change.ahead != self._base.ahead
        assert self._origin is not None
        doublings = min(max(0, (len(self.points) - 40) // 20), 5)
        step: int = max(self._origin // 100, 1) << doublings
        moved = abs(change.ahead - self._base.ahead)
        return max(moved, change.traded - self._base.traded if change.is_trade else 0) >= step
