"""How the reference exchange takes what a book offers: level by level, and never from oneself."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from tests.exchange.reference_book import better
from tests.exchange.reference_order import ReferenceOrder
from tests.exchange.reference_simple import ReferenceSimple

from triplegain.domain.orders import SelfTradePrevention


class ReferenceTaker(ReferenceSimple):
    #: By side and price, what we have taken of what is displayed.
    taken: tuple[dict[int, int], dict[int, int]]

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.taken = (defaultdict(int), defaultdict(int))

    def take(self, order: ReferenceOrder) -> bool:
        """Walks the other side; True where the order has come to its end on the way."""
        other, cost = 1 - order.side, order.terms.cost
        money = None if cost is None else self.purse.budget(cost, Fraction(0))
        if cost is not None:
            order.lots = self._lots_for(cost) or order.lots
        while order.left:
            price = self._next_price(order)
            if price is None:
                return False
            room = self.available(other, price)
            own = next((each for each in self.resting(other) if each.limit == price), None)
            if own is not None:
                room = min(room, max((own.ahead or 0) - self.taken[other].get(price, 0), 0))
                if not room:
                    if self._meet_oneself(order, own):
                        return True
                    continue
            lots = min(order.left, room)
            payable = self.payable(order, price, lots)
            if money is not None:
                # A level that an own order cuts in two is rounded twice: what was counted for it may not be enough.
                payable = min(payable, int(money // self.purse.cost(price, 1)))
                money -= self.purse.paid(price, payable)
            if payable:
                self.taken[other][price] += payable
                self.fill(order, price, payable, maker=False)
            if payable < lots:
                self.end(order, "funds")
                return True
        return True

    def _lots_for(self, cost: Fraction) -> int | None:
        """What a cost buys along the book; None where the book ends before it is spent to the lot."""
        lots, cost = 0, self.purse.budget(cost, Fraction(0))
        for price in self.book.levels(1):
            room = self.available(1, price)
            some = min(room, cost // self.purse.cost(price, 1))
            lots, cost = lots + some, cost - self.purse.paid(price, some)
            if some < room or cost < self.purse.cost(price, 1):
                return lots
        return None

    def _next_price(self, order: ReferenceOrder) -> int | None:
        """The best price within the limit at which somebody, or we ourselves, stand on the other side."""
        other = 1 - order.side
        own = [self.limit(each) for each in self.resting(other)[:1]]
        public = [next((level for level in self.book.levels(other) if self.available(other, level)), None)]
        prices = [price for price in own + public if price is not None]
        if order.limit is not None:
            prices = [price for price in prices if not better(other, order.limit, price)]
        if not prices:
            return None
        return max(prices) if other == 0 else min(prices)

    def reachable(self, order: ReferenceOrder) -> int:
        """What is available within the limit; what stands behind an order of our own is not."""
        other, lots = 1 - order.side, 0
        own = {self.limit(each): each for each in reversed(self.resting(other))}
        for price in sorted({*self.book.levels(other), *own}, reverse=other == 0):
            if order.limit is not None and better(other, order.limit, price):
                break
            room = self.available(other, price)
            if price in own:
                front = max((own[price].ahead or 0) - self.taken[other].get(price, 0), 0)
                return lots + min(room, front)
            lots += room
        return lots

    def _meet_oneself(self, order: ReferenceOrder, own: ReferenceOrder) -> bool:
        """Self-trade prevention; True where it ends the incoming order."""
        rule = order.request.self_trade
        if rule is not SelfTradePrevention.CANCEL_NEWEST:
            self.end(own, "self-trade")
        if rule is not SelfTradePrevention.CANCEL_OLDEST:
            self.end(order, "self-trade")
            return True
        return False

    # -- looking ---------------------------------------------------------------------------------------------------

    def available(self, side: int, price: int) -> int:
        return max(self.book.left(side, price) - self.taken[side].get(price, 0), 0)

    def limit(self, order: ReferenceOrder) -> int:
        assert order.limit is not None
        return order.limit

    def resting(self, side: int | None = None) -> list[ReferenceOrder]:
        """Best price first, then first come."""
        resting = [o for o in self.open.values() if o.rests and side in (None, o.side)]
        return sorted(resting, key=lambda o: (o.side, -self.limit(o) if o.side == 0 else self.limit(o), o.turn))

    def would_take(self, side: int, limit: int) -> bool:
        other = 1 - side
        levels = [level for level in self.book.levels(other) if self.available(other, level)][:1]
        own = [self.limit(order) for order in self.resting(other)[:1]]
        return any(not better(other, limit, price) for price in levels + own)

    def price_now(self, side: int) -> int | None:
        return self.book.best(1 - side)

    def asked(self, lots: int) -> list[Fraction]:
        worths = []
        for price in self.book.levels(1):
            some = min(lots, self.available(1, price))
            worths.append(self.purse.cost(price, some))
            lots -= some
            if not lots:
                break
        return worths

    def is_priced(self) -> bool:
        return self.book.is_known
