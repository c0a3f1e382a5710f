"""The paper executor: every answer of the exchange is followed in the step in which it happens.

What happens goes into the blotter, the portfolio and the step that is stored, all at exchange time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from triplegain.domain.exchange_events import ExchangeEvent, OrderFilled
from triplegain.domain.ids import Origin
from triplegain.domain.queue_path import QueuePoint
from triplegain.domain.records import OrderRecord, PositionRecord
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.execution.blotter import Blotter
from triplegain.execution.order_register import OrderRegister
from triplegain.execution.paper_portfolio import PaperPortfolio
from triplegain.execution.positions import Positions

#: Finished orders kept here; the database has all of them.
_FINAL_ORDERS = 32
_SHOWN_FILLS = 8


@dataclass(frozen=True, slots=True)
class ExecutedStep:
    """What one step changed, in order of sequence: to be stored together."""

    events: tuple[ExchangeEvent, ...]
    orders: tuple[OrderRecord, ...]
    fills: tuple[OrderFilled, ...]
    positions: tuple[PositionRecord, ...]
    queue_points: tuple[QueuePoint, ...]


class PaperOrderExecutor:
    """Follows the paper exchange. `settle` after each market event and command; `take_step` for the store."""

    def __init__(self, exchange: PaperExchange, portfolio: PaperPortfolio, positions: Positions) -> None:
        self.orders = OrderRegister(keep_final=_FINAL_ORDERS)
        self.positions = positions
        self.blotter = Blotter(self.orders, positions)
        self.portfolio = portfolio
        #: The last fills of this run, for whoever looks.
        self.last_fills: deque[OrderFilled] = deque(maxlen=_SHOWN_FILLS)
        self._exchange = exchange
        exchange.paths.keep()
        self._events: list[ExchangeEvent] = []
        self._fills: list[OrderFilled] = []
        #: An open or just finished order, as the exchange knows it.
        self.order = self.orders.by_client_id

    @property
    def has_news(self) -> bool:
        """Something happened since the last `take_step`."""
        return bool(self._events) or self.positions.has_changed

    def settle(self) -> list[ExchangeEvent]:
        """Follow what the exchange did since the last call."""
        events = self._exchange.drain_events()
        for event in events:
            self._events.append(event)
            record = self.blotter.happened(event)
            if isinstance(event, OrderFilled):
                self._fills.append(event)
                self.last_fills.append(event)
                if record is not None and record.request.leverage > 1:
                    self.portfolio.on_margin_fill(event, record.request.terms.settles)
                elif record is not None and record.request.origin is not Origin.HODL:
                    self.portfolio.on_fill(event)
        return events

    def take_step(self) -> ExecutedStep:
        """Everything since the last call; it is forgotten here."""
        step = ExecutedStep(
            tuple(self._events),
            tuple(self.orders.drain_changed()),
            tuple(self._fills),
            tuple(self.positions.drain_changed()),
            self._exchange.paths.drain(),
        )
        self._events.clear()
        self._fills.clear()
        return step
