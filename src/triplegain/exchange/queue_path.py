"""Which changes of a queue are kept: enough to see how it went, and never more than a bound.

A point is kept where the queue differs from the last point by a share of what it was when the order took its place; the
share doubles as points are kept. So what is kept follows from what is stored of the order alone.
"""

from __future__ import annotations

from triplegain.domain.queue_path import QueueChange, QueuePoint
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.queue import UNKNOWN_AHEAD

#: Of one order, its end included.
POINTS_MAX = 200
#: The share of the queue at arrival, and after how many points it doubles for the first time, and for each time after.
_SHARE, _FIRST, _EACH = 100, 60, 20
_NEVER = 1 << 100


class QueuePaths:
    """Points since the last `drain`, in the order in which they came."""

    def __init__(self) -> None:
        self._points: list[tuple[WorkingOrder, int, int, int, int, QueueChange]] = []

    def begin(self, order: WorkingOrder, now_ns: int) -> None:
        """The order takes a place in a queue, the first one or another."""
        self.note(order, now_ns, QueueChange.AMENDED if order.queue_points else QueueChange.ARRIVAL)
        _measure(order)

    def refill(self, order: WorkingOrder, now_ns: int) -> None:
        """The next slice of an iceberg takes one."""
        self.note(order, now_ns, QueueChange.REFILL)
        _measure(order)

    def note(self, order: WorkingOrder, now_ns: int, why: QueueChange) -> None:
        """A point, if there may be another; the last one is the end's."""
        if order.queue_points >= POINTS_MAX - 1:
            return
        self._add(order, now_ns, why)
        if not order.queue_step or order.queue_noted >= UNKNOWN_AHEAD:
            _measure(order)
        order.queue_noted = order.ahead
        count = order.queue_points
        if count >= POINTS_MAX - 1:
            order.queue_step = _NEVER
        elif count >= _FIRST and (count - _FIRST) % _EACH == 0:
            order.queue_step <<= 1

    def end(self, order: WorkingOrder, now_ns: int, why: QueueChange) -> None:
        """The order is over; told of those that had a place."""
        if order.queue_points:
            self._add(order, now_ns, why)

    def _add(self, order: WorkingOrder, now_ns: int, why: QueueChange) -> None:
        order.queue_points += 1
        self._points.append((order, order.queue_points, now_ns, order.ahead, order.queue_traded, why))

    def drain(self) -> tuple[QueuePoint, ...]:
        """They are forgotten here."""
        points, self._points = self._points, []
        return tuple(
            QueuePoint(
                order.number,
                point,
                now_ns,
                None if ahead > UNKNOWN_AHEAD // 2 else order.instrument.quantity(ahead),
                order.instrument.quantity(traded),
                why,
            )
            for order, point, now_ns, ahead, traded, why in points
        )


def _measure(order: WorkingOrder) -> None:
    """By how much the queue must change for the next point."""
    if order.queue_points < POINTS_MAX - 1:
        doubled = max(order.queue_points - _FIRST + _EACH, 0) // _EACH
        order.queue_step = max(order.ahead // _SHARE, 1) << doubled
