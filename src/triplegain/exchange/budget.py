"""What is left of the exchange's rate limit, with what has been sent and not arrived, and what of it is for ways out.

Whoever protects positions takes a stop back and sells; both cost. Orders that protect nothing leave that much room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triplegain.domain.clock import SECOND_NS
from triplegain.exchange.agenda import EventQueue
from triplegain.exchange.commands import cost_of, order_of
from triplegain.exchange.rate_limit import PLACE_COST, cancel_cost
from triplegain.exchange.venue_market import VenueMarket
from triplegain.exchange.working_orders import WorkingOrders

#: A young stop taken back, and the order that sells.
_WAY_OUT = cancel_cost(0) + PLACE_COST


@dataclass(frozen=True, slots=True)
class CommandBudget:
    """Of every pair, in thousandths of the exchange's counter."""

    _markets: Mapping[str, VenueMarket]
    _orders: WorkingOrders
    _agenda: EventQueue

    def may_place(self, symbol: str, positions: int, now_ns: int) -> bool:
        """Whether an order that protects nothing leaves room for the ways out of so many positions, and of one that is
        still to come; up to half of the limit is kept for them."""
        limits = self._markets[symbol].rate.limits
        if limits is None:
            return True
        kept = min(_WAY_OUT * (positions + 1), limits.threshold // 2)
        return self._room(symbol, now_ns) > kept

    def replaceable_at_ns(self, client_order_id: str, now_ns: int) -> int:
        """From when on an order can be taken back and another be sent in its place; 0: now."""
        order = self._orders.by_name.get(client_order_id)
        limits = None if order is None else self._markets[order.request.symbol].rate.limits
        if order is None or limits is None:
            return 0
        lacking = cancel_cost(now_ns - order.touched_ns) - self._room(order.request.symbol, now_ns) + 1
        return now_ns - (-lacking * SECOND_NS // limits.decay_per_s) if lacking > 0 else 0

    def _room(self, symbol: str, now_ns: int) -> int:
        rate = self._markets[symbol].rate
        limits = rate.limits
        assert limits is not None
        orders, under_way = self._orders, 0
        for command in self._agenda.under_way():
            order = order_of(command, orders)
            if order is not None and order.request.symbol == symbol:
                under_way += cost_of(command, orders, now_ns)
        return limits.threshold - rate.at(now_ns) - under_way
