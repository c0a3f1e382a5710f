"""An engine that books nothing and writes down what would be, and orders to put in front of it.

Quantities in lots, prices in ticks.
"""

from __future__ import annotations

from typing import Any

from tests.exchange.conftest import INSTRUMENT

from triplegain.domain.clock import Moment
from triplegain.domain.orders import Limit, OrderRequest, OrderStatus, Side
from triplegain.domain.parts import Touch
from triplegain.exchange.book import BID
from triplegain.exchange.candle_time import ToldCandle
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.queue_path import QueuePaths


class Written:
    """As an engine. `funds` are so many lots at any price; only purchases are to ask for them."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.paths = QueuePaths()
        self.fills: list[tuple[str, int, int]] = []
        self.models: list[str] = []
        self.makers: list[bool] = []
        self.refilled_orders: list[str] = []
        self.finished: list[tuple[str, str]] = []
        self.touched: list[str] = []
        self.touch: Touch = self.touched.append
        self.triggered: list[tuple[str, int]] = []
        self.asked: list[int] = []
        self.reopened_markets: list[str] = []
        self.woken: list[int] = []
        self.funds = 10**9
        #: Of each candle what was left of it when its stops had been met, and how many fills there had been.
        self.met: list[tuple[str, ToldCandle, int]] = []

    def wake(self, time_ns: int) -> None:
        self.woken.append(time_ns)

    def fail(self, error: Exception) -> None:
        raise error

    def fill(self, order: WorkingOrder, price: int, lots: int, maker: bool, model: str, cause: dict[str, Any]) -> None:
        order.left -= lots
        order.status = OrderStatus.PARTIALLY_FILLED if order.left else OrderStatus.FILLED
        self.fills.append((order.client_order_id, lots, price))
        self.models.append(model)
        self.makers.append(maker)

    def settle(self, order: WorkingOrder) -> None: ...

    def finish(self, order: WorkingOrder, status: OrderStatus, reason: str) -> None:
        order.status = status
        self.finished.append((order.client_order_id, reason))

    def reopened(self, symbol: str) -> None:
        self.reopened_markets.append(symbol)

    def trigger(self, order: WorkingOrder, last: int) -> None:
        order.fire()
        self.triggered.append((order.client_order_id, last))

    def stops_met(self, symbol: str, candle: ToldCandle) -> None:
        self.met.append((symbol, candle, len(self.fills)))

    def refilled(self, order: WorkingOrder) -> None:
        self.refilled_orders.append(order.client_order_id)

    def affordable(self, order: WorkingOrder, price: int, lots: int) -> int:
        assert order.side == BID
        self.asked.append(lots)
        return min(lots, self.funds)


def working(name: str, side: int, price: int, lots: int, number: int = 1, **more: Any) -> WorkingOrder:
    """An open order; a limit at `price` unless there are other `terms`. It stands since the beginning."""
    terms = more.pop("terms", None) or Limit(INSTRUMENT.price(price))
    request = OrderRequest(name, INSTRUMENT.symbol, list(Side)[side], INSTRUMENT.quantity(lots), terms, **more)
    order = WorkingOrder(number, "O", request, INSTRUMENT, 0, 0, OrderStatus.OPEN, price=price, lots=lots, left=lots)
    order.stands_ns = Moment(0)
    return order
