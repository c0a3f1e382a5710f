"""What is left of the exchange's rate limit, with what has been sent and not arrived, and what of it is for ways out.

Whoever protects positions takes a stop back and sells; both cost. Orders that protect nothing leave that much room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from triplegain.domain.clock import SECOND_NS
from triplegain.exchange.commands import (
    Amend,
    Cancel,
    CancelAfter,
    Command,
    EventQueue,
    Expire,
    GoOff,
    OpenLinked,
    Place,
    PlaceBatch,
    RollOver,
    Start,
)
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.rate_limit import (
    AMEND_COST,
    EDIT_COST,
    PLACE_COST,
    amend_penalty,
    batch_cost,
    cancel_cost,
    edit_penalty,
)
from triplegain.exchange.venue_market import VenueMarket

#: A young stop taken back, and the order that sells.
_WAY_OUT = cancel_cost(0) + PLACE_COST


@dataclass(frozen=True, slots=True)
class CommandBudget:
    """Of every pair, in thousandths of the exchange's counter."""

    _markets: Mapping[str, VenueMarket]
    _orders: Mapping[str, WorkingOrder]
    _orders_by_key: Mapping[str, WorkingOrder]
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
        order = self._orders.get(client_order_id)
        limits = None if order is None else self._markets[order.request.symbol].rate.limits
        if order is None or limits is None:
            return 0
        lacking = cancel_cost(now_ns - order.touched_ns) - self._room(order.request.symbol, now_ns) + 1
        return now_ns - (-lacking * SECOND_NS // limits.decay_per_s) if lacking > 0 else 0

    def _room(self, symbol: str, now_ns: int) -> int:
        rate = self._markets[symbol].rate
        limits = rate.limits
        assert limits is not None
        under_way = sum(self._cost(due.command, symbol, now_ns) for due in self._agenda.commands.values())
        return limits.threshold - rate.at(now_ns) - under_way

    def _cost(self, command: Command, symbol: str, now_ns: int) -> int:
        """What a command of this pair will cost; a cancel with the order that takes the place of what it cancels."""
        match command:
            case Place(number):
                order = self._orders_by_key.get(str(number))
                cost = PLACE_COST if order is None else self._placing(order, now_ns)
            case PlaceBatch(numbers):
                order, cost = self._orders_by_key.get(str(numbers[0])), batch_cost(len(numbers))
            case Cancel(name):
                order = self._orders.get(name)
                cost = PLACE_COST if order is None else PLACE_COST + cancel_cost(now_ns - order.touched_ns)
            case Amend(request):
                order = self._orders.get(request.client_order_id)
                cost = AMEND_COST if order is None else AMEND_COST + amend_penalty(now_ns - order.touched_ns)
            case CancelAfter() | OpenLinked() | Expire() | Start() | GoOff() | RollOver():
                return 0
            case _:
                assert_never(command)
        return cost if order is not None and order.request.symbol == symbol else 0

    def _placing(self, order: WorkingOrder, now_ns: int) -> int:
        replaces = order.request.options.replaces
        if replaces is None:
            return PLACE_COST
        original = self._orders.get(replaces)
        return EDIT_COST if original is None else EDIT_COST + edit_penalty(now_ns - original.touched_ns)
