"""Which changes of a queue are kept: enough to see how it went, and never more than a bound.

A point is kept where the queue, or what of it has been traded, differs from the last point by a share of what the queue
was when the order took its place; the share doubles as points are kept, up to a third. A place is a point, too: at once
while there are few, later only together with what follows in it, so that places in which nothing happens cost nothing
then, and the last is always there. Of an order with many points only every second of those changes is kept, then every
fourth, and so on: however long it waits, the room for them never ends. What is kept follows from what is stored of the
order alone.
"""

from __future__ import annotations

from triplegain.domain.queue_path import QueueChange, QueuePoint
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.queue import is_unknown

#: Of one order, its end included.
POINTS_MAX = 200
#: Of these the last place and the end.
_LAST = 2
#: So many may come before places wait for what follows in them.
_AT_ONCE = 100
#: From so many on every second change is kept, and half as many for each so many points more: there is no room only
#: after a million.
_ALL, _HALVED_EACH = 120, 4
#: The share of the queue at arrival, and after how many points it doubles for the first time, and for each time after.
_SHARE, _FIRST, _EACH = 100, 60, 20
#: A place that is used up by trades is to be seen, however many there were before.
_DOUBLINGS_MAX = 5
_NEVER = 1 << 100


class QueuePaths:
    """Points since the last `drain`, in the order in which they came: from `keep` on, that those who never ask for them
    need no memory for them."""

    def __init__(self) -> None:
        self._points: list[tuple[WorkingOrder, int, int, int, int, QueueChange]] = []
        self._keeps = False

    def keep(self) -> None:
        """Somebody will `drain`."""
        self._keeps = True

    def begin(self, order: WorkingOrder, now_ns: int) -> None:
        """The order takes a place in a queue, the first one or another."""
        self._place(order, now_ns, QueueChange.AMENDED if order.queue_points else QueueChange.ARRIVAL)

    def refill(self, order: WorkingOrder, now_ns: int) -> None:
        """The next slice of an iceberg takes one."""
        self._place(order, now_ns, QueueChange.REFILL)

    def note(self, order: WorkingOrder, now_ns: int, why: QueueChange) -> None:
        """A point, if there may be another. What was stored before there were paths has none."""
        before = order.queue_points
        if not before:
            return
        if before + (1 if order.queue_placed_by is None else 2) > POINTS_MAX - _LAST:
            order.queue_step = _NEVER
            return
        order.queue_skipped += 1
        if order.queue_skipped < _one_of(before):
            if order.queue_placed_by is None:
                _count_from_here(order, before)
            return
        order.queue_skipped = 0
        self._keep_place(order)
        self._add(order, now_ns, order.ahead, order.queue_traded, why)
        _count_from_here(order, before)

    def end(self, order: WorkingOrder, now_ns: int, why: QueueChange) -> None:
        """The order is over: told of those that had a place, unless nothing has happened since it took the only one."""
        still = order.ahead == order.queue_noted and order.queue_traded == order.queue_traded_noted
        if order.queue_points > 1 or (order.queue_points and not still):
            if order.queue_points < POINTS_MAX - 1:
                self._keep_place(order)
            self._add(order, now_ns, order.ahead, order.queue_traded, why)

    def _place(self, order: WorkingOrder, now_ns: int, why: QueueChange) -> None:
        _noted(order)
        if order.queue_points < _AT_ONCE:
            self._add(order, now_ns, order.ahead, order.queue_traded, why)
        else:
            order.queue_placed_ns, order.queue_placed_by = now_ns, why
        _measure(order)

    def _keep_place(self, order: WorkingOrder) -> None:
        if order.queue_placed_by is not None:
            noted = order.queue_noted, order.queue_traded_noted
            self._add(order, order.queue_placed_ns, *noted, order.queue_placed_by)
            order.queue_placed_ns, order.queue_placed_by = 0, None

    def _add(self, order: WorkingOrder, now_ns: int, ahead: int, traded: int, why: QueueChange) -> None:
        order.queue_points += 1
        if self._keeps:
            self._points.append((order, order.queue_points, now_ns, ahead, traded, why))

    def drain(self) -> tuple[QueuePoint, ...]:
        """They are forgotten here."""
        points, self._points = self._points, []
        return tuple(
            QueuePoint(
                order.number,
                point,
                now_ns,
                None if is_unknown(ahead) else order.instrument.quantity(ahead),
                order.instrument.quantity(traded),
                why,
            )
            for order, point, now_ns, ahead, traded, why in points
        )


def _noted(order: WorkingOrder) -> None:
    order.queue_noted, order.queue_traded_noted = order.ahead, order.queue_traded


def _count_from_here(order: WorkingOrder, before: int) -> None:
    """The next change is one from what is now; `before`: the points until then."""
    was_unknown = is_unknown(order.queue_noted)
    _noted(order)
    if was_unknown or is_unknown(order.ahead):
        _measure(order)
    else:
        order.queue_step <<= _doublings(order.queue_points) - _doublings(before)


def _one_of(points: int) -> int:
    """Of so many changes one is kept."""
    return 1 << max(points - _ALL + _HALVED_EACH, 0) // _HALVED_EACH


def _doublings(points: int) -> int:
    return min(max(points - _FIRST + _EACH, 0) // _EACH, _DOUBLINGS_MAX)


def _measure(order: WorkingOrder) -> None:
    """By how much the queue must change for the next point."""
    order.queue_step = (order.ahead // _SHARE or 1) << _doublings(order.queue_points)
