"""Our own resting limit orders of one instrument, by side and price, each price in order of arrival."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator

from triplegain.domain.clock import Moment
from triplegain.exchange.book import NO_PRICES
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.prices import follow

#: (price, turn)
_Place = tuple[int, int]


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
        levels = self.levels[side]
        level = levels.get(price)
        if level is None or order not in level:
            return False
        level.remove(order)
        if not level:
            del levels[price]
            prices = self.prices[side]
            del prices[bisect_left(prices, price)]
            self.best[side] = prices[0 if side else -1] if prices else NO_PRICES[side]
            self._closed(side, price)
        return True

    def best_first(self, side: int) -> Iterator[int]:
        """Our prices from the best one on. Orders may be removed on the way."""
        prices = self.prices[side]
        at = 0 if side else len(prices) - 1
        while 0 <= at < len(prices):
            price = prices[at]
            yield price
            at = bisect_right(prices, price) if side else bisect_left(prices, price) - 1

    def in_priority(self, side: int) -> Iterator[WorkingOrder]:
        """Best price first, then order of arrival. Safe while orders are removed."""
        for price in self.best_first(side):
            yield from list(self.levels[side].get(price, ()))

    def all(self) -> Iterator[WorkingOrder]:
        yield from self.in_priority(0)
        yield from self.in_priority(1)


class TriggerOrders:
    """Orders of one instrument that sleep until the tape reaches their trigger: from above, or from below.

    `nearest` are the highest trigger that the market must fall to and the lowest that it must rise to. `opened` and
    `closed` are told direction (whether it must rise) and price of a trigger that comes, and of one that goes.
    Each order has a turn: who came first has the lower one.
    """

    def __init__(self, opened: Callable[[int, int], None], closed: Callable[[int, int], None]) -> None:
        self._opened, self._closed = opened, closed
        self.nearest: list[int] = list(NO_PRICES)
        self._turns: dict[int, int] = {}
        self._last_turn = 0
        self._orders: dict[int, WorkingOrder] = {}
        #: Turns of those the tape has gone through while there was no book.
        self._passed: set[int] = set()
        #: (trigger, turn), rising, of those that the market must fall to, and of those that it must rise to.
        self._triggers: tuple[list[_Place], list[_Place]] = ([], [])
        #: (peak, turn), rising, of those of them whose trigger trails behind the best trade.
        self._peaks: tuple[list[_Place], list[_Place]] = ([], [])

    def add(self, order: WorkingOrder) -> None:
        turn = self._turns[order.number] = self._last_turn = self._last_turn + 1
        self._orders[turn] = order
        self._open(order, turn)
        if order.passed:
            self._passed.add(turn)

    def remove(self, order: WorkingOrder) -> bool:
        turn = self._turns.pop(order.number, None)
        if turn is None:
            return False
        del self._orders[turn]
        self._passed.discard(turn)
        self._close(order, turn, order.price, order.peak)
        return True

    def all(self) -> Iterable[WorkingOrder]:
        return self._orders.values()

    @property
    def is_trailing(self) -> bool:
        """A trigger may move with any trade."""
        falling, rising = self._peaks
        return bool(falling or rising)

    def _open(self, order: WorkingOrder, turn: int) -> None:
        insort(self._triggers[order.rising], (order.price, turn))
        if order.peak:
            insort(self._peaks[order.rising], (order.peak, turn))
        self._look(order.rising)
        self._opened(order.rising, order.price)

    def _close(self, order: WorkingOrder, turn: int, price: int, peak: int) -> None:
        triggers, peaks = self._triggers[order.rising], self._peaks[order.rising]
        del triggers[bisect_left(triggers, (price, turn))]
        if peak:
            del peaks[bisect_left(peaks, (peak, turn))]
        self._look(order.rising)
        self._closed(order.rising, price)

    def _look(self, rising: bool) -> None:
        triggers = self._triggers[rising]
        self.nearest[rising] = triggers[0 if rising else -1][0] if triggers else NO_PRICES[rising]

    def _in_turn(self, places: list[_Place], moment: Moment) -> list[WorkingOrder]:
        """In the order in which they came; those that did not stand yet at that moment are not among them."""
        orders = (self._orders[turn] for turn in sorted(turn for _, turn in places))
        return [order for order in orders if order.stands_ns <= moment]

    def reached(self, price: int, moment: Moment) -> list[WorkingOrder]:
        """Triggered by this trade, in the order in which they came; those that did not stand yet then are not."""
        highest, lowest = self.nearest
        if highest < price < lowest:
            return []
        falling, rising = self._triggers
        to_fall, to_rise = falling[bisect_left(falling, (price, 0)) :], rising[: bisect_left(rising, (price + 1, 0))]
        return self._in_turn([*to_fall, *to_rise], moment)

    def follow(self, price: int, moment: Moment) -> list[WorkingOrder]:
        """The newest trade is at `price`: triggers that trail behind it move; whose have."""
        if not self.is_trailing:
            return []
        falling, rising = self._peaks
        behind = [*falling[: bisect_left(falling, (price, 0))], *rising[bisect_left(rising, (price + 1, 0)) :]]
        moved = []
        for order in self._in_turn(behind, moment):
            before, peak = order.price, order.peak
            if not order.passed and follow(order, price):
                turn = self._turns[order.number]
                self._close(order, turn, before, peak)
                self._open(order, turn)
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
        self._passed.add(self._turns[order.number])

    def passed(self) -> list[WorkingOrder]:
        """Those the tape has gone through, in the order in which they came."""
        return [self._orders[turn] for turn in sorted(self._passed)]


def is_reached(order: WorkingOrder, price: int) -> bool:
    """Whether a trade at `price` reaches the order's trigger."""
    return price >= order.price if order.rising else price <= order.price
