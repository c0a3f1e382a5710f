"""What a market needs of the exchange around it: booking, events, time."""

from __future__ import annotations

from typing import Any, Protocol

from triplegain.domain.orders import OrderStatus
from triplegain.domain.parts import Touch
from triplegain.exchange.candle_time import ToldCandle
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.queue_path import QueuePaths


class Engine(Protocol):
    """What one account's orders on a market call."""

    now_ns: int
    #: Takes the key of an order that may have changed, its place in a queue included.
    touch: Touch
    #: Takes how queues in front of orders go.
    paths: QueuePaths

    def wake(self, time_ns: int) -> None:
        """The market does something to this account at that time."""
        ...

    def fail(self, error: Exception) -> None:
        """A market could not do what it does to this account."""
        ...

    def fill(self, order: WorkingOrder, price: int, lots: int, maker: bool, model: str, cause: dict[str, Any]) -> None:
        """Book one execution and tell of it. A filled order is final; taking it off the market is the caller's."""
        ...

    def settle(self, order: WorkingOrder) -> None:
        """An order that settles positions does so, whole; it is final then."""
        ...

    def finish(self, order: WorkingOrder, status: OrderStatus, reason: str) -> None:
        """End an order that is not filled: release its reservation and tell of it."""
        ...

    def reopened(self, symbol: str) -> None:
        """The exchange has opened a market again that it had closed, or we see one again that we could not."""
        ...

    def trigger(self, order: WorkingOrder, last: int) -> None:
        """A trade at `last` reaches the order's trigger: it becomes what it waited to be, and that is told."""
        ...

    def stops_met(self, symbol: str, candle: ToldCandle) -> None:
        """A candle has reached the stops that it reaches, and nothing else yet: what cannot be held is sold first."""
        ...

    def refilled(self, order: WorkingOrder) -> None:
        """Tell that the next slice of an iceberg is shown, at the back of the queue."""
        ...

    def affordable(self, order: WorkingOrder, price: int, lots: int) -> int:
        """How many of `lots` the account can pay for at `price`, fee included, with what is held and available."""
        ...
