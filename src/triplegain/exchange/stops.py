"""Orders waiting for the last trade to reach their trigger. They are not in the book."""

from __future__ import annotations

from collections.abc import Iterator

from triplegain.exchange.order import WorkingOrder


class StopOrders:
    """Stop-loss orders of one instrument: a sell waits for a trade at or below its trigger, a buy at or above."""

    __slots__ = ("_orders", "count")

    def __init__(self) -> None:
        self._orders: dict[int, WorkingOrder] = {}
        self.count = 0

    def add(self, order: WorkingOrder) -> None:
        self._orders[order.number] = order
        self.count += 1

    def remove(self, order: WorkingOrder) -> bool:
        if self._orders.pop(order.number, None) is None:
            return False
        self.count -= 1
        return True

    def reached(self, last: int) -> list[WorkingOrder]:
        """Triggered by this trade, in order of their numbers."""
        return [
            order
            for order in self._orders.values()
            if (last >= order.price if order.side == 0 else last <= order.price)
        ]

    def all(self) -> Iterator[WorkingOrder]:
        yield from list(self._orders.values())
