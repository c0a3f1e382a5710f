"""How the reference exchange fills by a single price with slippage, where no book is known."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from tests.exchange.reference import ReferenceExchange
from tests.exchange.reference_book import better
from tests.exchange.reference_order import ReferenceOrder

from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.orders import TimeInForce

#: Why an order ends that has one trade and no other.
ENDS = {TimeInForce.IOC: "immediate", TimeInForce.FOK: "kill"}


class ReferenceSimple(ReferenceExchange):
    #: What is left of the trade or candle that is being shared.
    _room = 0

    def reach(self, order: ReferenceOrder, price: int, moment: int) -> None:
        """A trade has come to the trigger of a sleeping order."""
        raise NotImplementedError

    def reach_on_arrival(self, order: ReferenceOrder, last: int) -> None:
        """What a fill opens while nothing is matched waits for the next book or the next trade of a time away."""
        if self.is_matched:
            self.reach(order, last, self.now_ns)
        else:
            order.reached = last

    def is_unseen(self, order: ReferenceOrder) -> bool:
        """A fill has opened it while nothing is matched."""
        return order.request.options.closes is not None and not self.is_matched

    def wake_by_tape(self, order: ReferenceOrder, price: int, moment: int) -> None:
        """Whole, whatever the size of the trade, with slippage: a stop at the worse of trigger and trade, a take-profit
        at its trigger. What has a limit waits where that is beyond it."""
        trigger, limit = order.trigger, order.limit
        assert trigger is not None
        order.asleep, order.reached, order.was_triggered = False, None, True
        self.tell("triggered", order.name, trigger, price)
        is_stop = order.terms.rises == order.is_purchase
        worse = max(trigger, price) if order.is_purchase else min(trigger, price)
        slipped = self.slipped(order.side, worse if is_stop else trigger)
        if limit is None:
            self._take(order, slipped, order.left)
            return
        order.trigger, order.stands_ns, order.rests, order.turn = None, moment, True, self.next_turn()
        order.show_slice()
        self.tell("priced", order.name, limit)
        if not better(order.side, slipped, limit):
            self._take(order, slipped, order.left)
        if order.name in self.open and order.request.time_in_force in ENDS:
            self.end(order, ENDS[order.request.time_in_force])

    def _take(self, order: ReferenceOrder, price: int, lots: int) -> None:
        if order.terms.cost is not None:
            wanted = self.purse.budget(order.terms.cost, order.spent) // self.purse.cost(price, 1)
            if not wanted:
                self.end(order, "rest")
                return
            order.lots = order.filled + wanted if wanted <= lots else order.lots
            lots = min(lots, wanted)
        payable = self.payable(order, price, lots)
        if payable < lots and not self.settings.partial_fills:
            payable = 0
        if payable:
            self._room = max(self._room - payable, 0)
            self.fill(order, price, payable, maker=False)
        if payable < lots:
            self.end(order, "funds")

    def slipped(self, side: int, price: int) -> int:
        """Always against the trader, rounded to the tick against the trader."""
        share = Fraction(self.settings.slippage_ppm, RATE_UNIT)
        return ceil(price * (1 + share)) if side == 0 else max(floor(price * (1 - share)), 1)
