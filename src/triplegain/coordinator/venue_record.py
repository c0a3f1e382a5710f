"""What the exchange knows, as it will be stored: orders, positions, fills and portfolio at exchange time.

The order desk keeps its own, later view of the same things: it learns of an answer only when it has travelled back.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from triplegain.domain.exchange_events import CommandRefused, ExchangeEvent, OrderFilled, OrderSubmitted
from triplegain.execution.order_register import OrderRegister
from triplegain.execution.paper_portfolio import PaperPortfolio
from triplegain.execution.positions import Positions

#: Finished orders kept here; the database has all of them.
_FINAL_ORDERS = 8
_SHOWN_FILLS = 8


class VenueRecord:
    """Follows every exchange event in the step in which it happens."""

    def __init__(self, portfolio: PaperPortfolio, positions: Positions) -> None:
        self.orders = OrderRegister(keep_final=_FINAL_ORDERS)
        self.positions = positions
        self.portfolio = portfolio
        self.events: list[ExchangeEvent] = []
        self.fills: list[OrderFilled] = []
        #: The last fills of this run, for whoever looks.
        self.last_fills: deque[OrderFilled] = deque(maxlen=_SHOWN_FILLS)
        #: The last refused cancel or amend of each order of this run; a person's commands are few.
        self.refusals: dict[str, CommandRefused] = {}

    def follow(self, event: ExchangeEvent) -> None:
        self.events.append(event)
        if isinstance(event, CommandRefused):
            self.refusals[event.client_order_id] = event
        self.orders.apply(event)
        self.positions.apply(event)
        if isinstance(event, OrderFilled):
            self.fills.append(event)
            self.last_fills.append(event)
            self.portfolio.on_fill(event)

    def plan(self, event: OrderSubmitted, known: Positions) -> None:
        """An entry was sent: its stop and target, as the desk planned them."""
        position_id = event.request.position_id
        if position_id is not None:
            stop, target = known.planned(position_id)
            self.positions.plan(position_id, stop, target)

    def state(self) -> dict[str, Any]:
        # The trades in memory are a copy of the database's: they are not carried in every commit.
        return {
            "orders": self.orders.state(),
            "positions": self.positions.state(),
            "portfolio": {**self.portfolio.state(), "history": []},
        }

    def restore(self, stored: dict[str, Any]) -> None:
        self.orders.restore(stored["orders"])
        self.positions.restore(stored["positions"])
        self.portfolio.restore(stored["portfolio"])
