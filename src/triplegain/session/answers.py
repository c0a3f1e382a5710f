"""Who waits for an answer of the exchange, and what each is told once it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    OrderAccepted,
    OrderRejected,
    OrderScheduled,
)
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import CommitBatch, OrderRecord
from triplegain.domain.refusals import Code, Refusal

OrderAnswer = OrderRecord | Refusal


class Change(StrEnum):
    """What is asked of an order that is there."""

    CANCEL = "cancel"
    AMEND = "amend"


def outcome_of(change: Change, order: OrderRecord) -> OrderAnswer:
    """What comes of a change of an order that is over: a cancel has what it wants where it is cancelled."""
    name, status = order.request.client_order_id, order.status
    if change is Change.CANCEL and status is OrderStatus.CANCELLED:
        return order
    return Refusal(Code.ORDER_FINAL, f"order {name} is {status} already: there is nothing to {change}")


@dataclass(slots=True)
class _Waiting:
    """`change` is None where an order was placed; `stored` is that order as the last commit left it."""

    name: str
    change: Change | None
    answer: asyncio.Future[OrderAnswer]
    stored: OrderRecord | None = None

    def tell(self, answer: OrderAnswer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


class Answers:
    """A placing is known by its order's name, a change by the number of its command: each has an answer of its own."""

    def __init__(self) -> None:
        self._waiting: dict[str | int, _Waiting] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def expect(
        self, name: str, number: int | None = None, change: Change = Change.CANCEL
    ) -> asyncio.Future[OrderAnswer]:
        """Resolved when the answer is stored, with the order as it then is, or why not. Without a `number` the order
        was placed, and whoever else waits for that waits for the same."""
        key = name if number is None else number
        if key not in self._waiting or number is not None:
            answer: asyncio.Future[OrderAnswer] = asyncio.get_running_loop().create_future()
            self._waiting[key] = _Waiting(name, None if number is None else change, answer)
        return self._waiting[key].answer

    def tell(self, batch: CommitBatch, answered: Mapping[int, int]) -> None:
        """Whoever waits for an answer in this batch gets the order as the batch leaves it, or the refusal.

        `answered` gives the number of the command by the sequence of its answer. An order that the exchange does not
        know any more is over, and what it came to says more.
        """
        if not self._waiting:
            return
        orders = {order.request.client_order_id: order for order in batch.orders}
        for event in batch.events:
            if isinstance(event, OrderAccepted | OrderRejected | OrderScheduled):
                self._tell_one(event.client_order_id, event, orders)
            elif event.sequence in answered:
                self._tell_one(answered[event.sequence], event, orders)
        for key, waiting in list(self._waiting.items()):
            order = orders.get(waiting.name)
            if order is None:
                continue
            waiting.stored = order
            if order.status.is_final:
                # A change of what is over can only fail; an order taken out on its way has no other answer.
                waiting.tell(order if waiting.change is None else outcome_of(waiting.change, order))
                del self._waiting[key]

    def _tell_one(self, key: str | int, event: ExchangeEvent, orders: Mapping[str, OrderRecord]) -> None:
        waiting = self._waiting.get(key)
        if waiting is None:
            return
        if isinstance(event, CommandRefused):
            code, order = Code.of(event.code) or Code.REFUSED, orders.get(waiting.name)
            if code is Code.UNKNOWN_OPEN_ORDER and order is not None:
                return
            waiting.tell(Refusal(code, event.reason))
        else:
            waiting.tell(orders[waiting.name])
        del self._waiting[key]

    def undone(self, last: int) -> None:
        """Commands after that number were never stored: what is asked again waits under a number of its own."""
        self._waiting = {key: each for key, each in self._waiting.items() if isinstance(key, str) or key <= last}

    def abandon(self) -> None:
        """The run ends. A stored order is answered as it is stored; of the others nobody knows: what is under way is
        carried out when the session goes on."""
        for waiting in self._waiting.values():
            if waiting.change is None and waiting.stored is not None:
                waiting.tell(waiting.stored)
            else:
                waiting.answer.cancel()
        self._waiting.clear()
