"""Orders under way to the exchange or open there, and the names of those that are over lately."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from triplegain.domain.orders import OrderStatus
from triplegain.domain.parts import Parts, Touch, nobody
from triplegain.exchange.order import StoredOrder, WorkingOrder, stored_order, working_order
from triplegain.exchange.venue_market import VenueMarket

#: How many final client order ids are remembered here; the session's record remembers all of them.
_RECENT_IDS = 256


class WorkingOrders:
    """By client order id, and by the key under which they are stored; `touch` takes that of one that has changed."""

    def __init__(self) -> None:
        self.by_name: dict[str, WorkingOrder] = {}
        self.by_key: dict[str, WorkingOrder] = {}
        #: Those with leverage, and the exits of positions: by client order id, asked at every order.
        self.on_margin: dict[str, WorkingOrder] = {}
        self.exits: dict[str, WorkingOrder] = {}
        #: Client order ids of orders that are over -> number of the last event then, oldest first.
        self._recent: OrderedDict[str, int] = OrderedDict()
        self._open: Counter[str] = Counter()
        self._markets: Mapping[str, VenueMarket] = {}
        self.touch: Touch = nobody
        self._touch_recent: Touch = nobody

    def is_known(self, client_order_id: str) -> bool:
        return client_order_id in self.by_name or client_order_id in self._recent

    def keep(self, order: WorkingOrder) -> None:
        self.by_name[order.client_order_id] = order
        self.by_key[order.key] = order
        if order.request.leverage > 1:
            self.on_margin[order.client_order_id] = order
        if order.side == 1 and order.request.position_id is not None:
            self.exits[order.client_order_id] = order

    def of_symbol(self, symbol: str) -> list[WorkingOrder]:
        """In the order in which they were sent."""
        found = (order for order in self.by_name.values() if order.request.symbol == symbol)
        return sorted(found, key=lambda order: order.number)

    def open_count(self, symbol: str) -> int:
        """Orders at the exchange, those that wait for their time among them."""
        return self._open[symbol]

    def count(self, order: WorkingOrder) -> None:
        """It is at the exchange."""
        self._open[order.request.symbol] += 1

    def discount(self, order: WorkingOrder) -> None:
        self._open[order.request.symbol] -= 1

    def forget(self, order: WorkingOrder) -> None:
        name, key = order.client_order_id, order.key
        del self.by_name[name]
        del self.by_key[key]
        self.on_margin.pop(name, None)
        self.exits.pop(name, None)
        self.touch(key)

    def remember(self, client_order_id: str, sequence: int) -> None:
        """An order of this name is over with the event of that number."""
        self._recent[client_order_id] = sequence
        self._touch_recent(client_order_id)
        if len(self._recent) > _RECENT_IDS:
            self._touch_recent(self._recent.popitem(last=False)[0])

    # -- what a session keeps ------------------------------------------------------------------------------------

    def register(self, parts: Parts, markets: Mapping[str, VenueMarket]) -> Touch:
        """`markets` take restored orders up where they waited. The `touch` of orders."""
        self._markets = markets
        self.touch = parts.keyed("exchange.order", StoredOrder, self._stored, self._restore, self.by_key.keys)
        self._touch_recent = parts.table("exchange.recent", int, self._recent, restore=self._restore_recent)
        return self.touch

    def _stored(self, key: str) -> msgspec.Struct | None:
        order = self.by_key.get(key)
        return None if order is None else stored_order(order)

    def _restore(self, stored: Mapping[str, Any]) -> None:
        for each in sorted(stored.values(), key=lambda order: (order.place, order.number)):
            market = self._markets[each.request.symbol]
            order = working_order(each, market.instrument)
            self.keep(order)
            if order.is_at_exchange:
                self.count(order)
            if order.status is not OrderStatus.PENDING:
                market.put(order)

    def _restore_recent(self, stored: Mapping[str, int]) -> None:
        self._recent.update(sorted(stored.items(), key=lambda each: each[1]))
