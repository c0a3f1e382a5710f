"""Our own resting limit orders of one instrument, by side and price, each price in order of arrival."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator

from triplegain.domain.clock import Moment
from triplegain.exchange.book import NO_PRICES
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.prices import follow


class RestingOrders:
    """`best[side]` is our best price (-1 bids, 2^62 asks when there is none), for one cheap comparison per event.

    `prices[side]` are all our prices, rising. `opened` and `closed` are told side and price of a level with a first
    order, and of one without any more.
    """

    def __init__(self, opened: Callable[[int, int], None], closed: Callable[[int, int], None]) -> None:
        self._opened, self._closed = opened, closed
        self.levels: tuple[dict[int, list[WorkingOrder]], dict[int, list[WorkingOrder]]] = ({}, {})
        self.prices: tuple[list[int], list[int]] = ([], [])
        self.best: list[int] = list(NO_PRICES)

    def add(self, order: WorkingOrder) -> None:
        side, price = order.side, order.price
        level = self.levels[side].get(price)
        if level is None:
            self.levels[side][price] = [order]
            insort(self.prices[side], price)
            self.best[side] = self.prices[side][0 if side else -1]
            self._opened(side, price)
        else:
            level.append(order)

    def remove(self, order: WorkingOrder) -> bool:
        """False if the order does not rest here."""
        side, price = order.side, order.price
        level = self.levels[side].get(price)
        if level is None or order not in level:
            return False
        level.remove(order)
        if not level:
            del self.levels[side][price]
            prices = self.prices[side]
            del prices[bisect_left(prices, price)]
            self.best[side] = prices[0 if side else -1] if prices else NO_PRICES[side]
            self._closed(side, price)
        return True

    def in_priority(self, side: int) -> Iterator[WorkingOrder]:
        """Best price first, then order of arrival. Safe while orders are removed."""
        prices = self.prices[side]
        for price in list(prices) if side else prices[::-1]:
            yield from list(self.levels[side].get(price, ()))

    def all(self) -> Iterator[WorkingOrder]:
        yield from self.in_priority(0)
        yield from self.in_priority(1)


class TriggerOrders:
    """Orders of one instrument that sleep until the tape reaches their trigger: from above, or from below.

    `nearest` are the highest trigger that the market must fall to and the lowest that it must rise to. `opened` and
    `closed` are told direction (whether it must rise) and price of a trigger that comes, and of one that goes.
    """

    def __init__(self, opened: Callable[[int, int], None], closed: Callable[[int, int], None]) -> None:
        self._opened, self._closed = opened, closed
        self.nearest: list[int] = list(NO_PRICES)
        self._orders: dict[int, WorkingOrder] = {}
        #: Those the tape has gone through while there was no book.
        self._passed: dict[int, WorkingOrder] = {}
        #: Those whose trigger trails behind the best trade.
        self._trailing: dict[int, WorkingOrder] = {}
        #: Rising triggers of those that the market must fall to, and of those that it must rise to.
        self._triggers: tuple[list[int], list[int]] = ([], [])

    def add(self, order: WorkingOrder) -> None:
        self._orders[order.number] = order
        if order.peak:
            self._trailing[order.number] = order
        self._open(order)
        if order.passed:
            self._passed[order.number] = order

    def remove(self, order: WorkingOrder) -> bool:
        if self._orders.pop(order.number, None) is None:
            return False
        self._passed.pop(order.number, None)
        self._trailing.pop(order.number, None)
        self._close(order, order.price)
        return True

    @property
    def is_trailing(self) -> bool:
        """A trigger may move with any trade."""
        return bool(self._trailing)

    def _open(self, order: WorkingOrder) -> None:
        insort(self._triggers[order.rising], order.price)
        self._look(order.rising)
        self._opened(order.rising, order.price)

    def _close(self, order: WorkingOrder, price: int) -> None:
        triggers = self._triggers[order.rising]
        del triggers[bisect_left(triggers, price)]
        self._look(order.rising)
        self._closed(order.rising, price)

    def _look(self, rising: bool) -> None:
        triggers = self._triggers[rising]
        self.nearest[rising] = triggers[0 if rising else -1] if triggers else NO_PRICES[rising]

    def reached(self, price: int, moment: Moment) -> list[WorkingOrder]:
        """Triggered by this trade, in the order in which they came; those that did not stand yet then are not."""
        falling, rising = self.nearest
        if falling < price < rising:
            return []
        return [each for each in self._orders.values() if each.stands_ns <= moment and is_reached(each, price)]

    def follow(self, price: int, moment: Moment) -> list[WorkingOrder]:
        """The newest trade is at `price`: triggers that trail behind it move; whose have."""
        if not self._trailing:
            return []
        moved = []
        for order in self._trailing.values():
            before = order.price
            if order.stands_ns <= moment and not order.passed and follow(order, price):
                self._close(order, before)
                self._open(order)
                # What was traded before its trigger came to stand there does not reach it.
                order.stands_ns = moment
                moved.append(order)
        return moved

    def go_through(self, price: int, moment: Moment) -> list[WorkingOrder]:
        """This trade reaches their triggers and there is no book to meet: remembered, once each; who is new to it."""
        gone_through = [order for order in self.reached(price, moment) if not order.passed]
        for order in gone_through:
            self.pass_through(order, price)
        return gone_through

    def pass_through(self, order: WorkingOrder, price: int) -> None:
        order.passed = price
        self._passed[order.number] = order

    def passed(self) -> list[WorkingOrder]:
        """Those the tape has gone through, in the order in which they came."""
        return [self._passed[number] for number in self._orders if number in self._passed] if self._passed else []


def is_reached(order: WorkingOrder, price: int) -> bool:
    """Whether a trade at `price` reaches the order's trigger."""
    return price >= order.price if order.rising else price <= order.price
