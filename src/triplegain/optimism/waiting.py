"""The orders that wait in one market, by price: a message is shown to those alone that it may have reached."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from itertools import count

from triplegain.optimism.asked import Asked, Shape
from triplegain.optimism.recorded import Recorded

#: What waits for the next trade at any price counts as an order that falls to it from here.
_ANY = 1 << 62
_Row = tuple[int, int, "WaitingOrder"]


class WaitingOrder:
    """An order by the rule at that place."""

    __slots__ = ("asked", "crossed", "is_due", "is_gone", "is_new", "order", "place", "row")

    def __init__(self, order: Recorded, place: int, crossed: bool) -> None:
        self.order = order
        self.place = place
        self.asked = order.asked
        self.crossed = crossed
        #: Nobody has looked since it was sent or amended.
        self.is_new = True
        #: The next look is entered already.
        self.is_due = False
        self.is_gone = False
        self.row: _Row = (0, 0, self)


class WaitingOrders:
    """Of one market. What no rule fills before the market has come to its price is not looked at until then."""

    def __init__(self) -> None:
        #: Of those that the market must rise to the lowest first, of the others, by their negative price, the highest.
        self._rising: list[_Row] = []
        self._falling: list[_Row] = []
        self._numbers = count(1)

    def __bool__(self) -> bool:
        return bool(self._rising or self._falling)

    def add(self, each: WaitingOrder) -> None:
        price = _ANY if each.asked.shape is Shape.MARKET else each.asked.price
        rises = _rises(each.asked)
        each.row = (price if rises else -price, next(self._numbers), each)
        insort(self._rising if rises else self._falling, each.row)

    def remove(self, each: WaitingOrder) -> None:
        """If it waits."""
        rows = self._rising if _rises(each.asked) else self._falling
        place = bisect_left(rows, each.row[:2], key=_key)
        if place < len(rows) and rows[place][2] is each:
            del rows[place]

    def amend(self, each: WaitingOrder, asked: Asked) -> None:
        self.remove(each)
        each.asked, each.is_new = asked, True
        self.add(each)

    def reached(self, low: int, high: int) -> Iterator[WaitingOrder]:
        """By a market that is, or was traded, between these prices; they may be removed on the way."""
        rising = self._rising[: bisect_right(self._rising, high, key=_price)]
        falling = self._falling[: bisect_right(self._falling, -low, key=_price)]
        for row in (*rising, *falling):
            yield row[2]


def _rises(asked: Asked) -> bool:
    return asked.shape is not Shape.MARKET and asked.rises


def _key(row: _Row) -> tuple[int, int]:
    return row[:2]


def _price(row: _Row) -> int:
    return row[0]
