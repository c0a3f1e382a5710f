"""Orders waiting for the last trade to reach their trigger. They are not in the book."""

from __future__ import annotations

from bisect import bisect_left, insort

from triplegain.exchange.order import WorkingOrder


class StopOrders:
    """Stop-loss orders of one instrument: a sell waits for a trade at or below its trigger, a buy at or above."""

    def __init__(self) -> None:
        self._orders: dict[int, WorkingOrder] = {}
        #: Rising triggers of buys and of sells.
        self._triggers: tuple[list[int], list[int]] = ([], [])

    def add(self, order: WorkingOrder) -> None:
        self._orders[order.number] = order
        insort(self._triggers[order.side], order.price)

    def remove(self, order: WorkingOrder) -> bool:
        if self._orders.pop(order.number, None) is None:
            return False
        triggers = self._triggers[order.side]
        del triggers[bisect_left(triggers, order.price)]
        return True

    def reached(self, last: int) -> list[WorkingOrder]:
        """Triggered by this trade, in the order in which they came."""
        buys, sells = self._triggers
        if not (buys and buys[0] <= last) and not (sells and sells[-1] >= last):
            return []
        return [
            order
            for order in self._orders.values()
            if (last >= order.price if order.side == 0 else last <= order.price)
        ]
