"""All orders of a session as the venue's answers tell of them.

A projection: the register decides nothing, and an answer that cannot follow from the ones before it is a bug,
reported as `OrderTransitionError` and never papered over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import assert_never

from msgspec import UNSET
from msgspec.structs import replace

from triplegain.domain.errors import TripleGainError
from triplegain.domain.exchange_events import (
    AccountEvent,
    CommandRefused,
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderPriced,
    OrderRefilled,
    OrderRejected,
    OrderScheduled,
    OrderSubmitted,
    OrderTriggered,
)
from triplegain.domain.money import EXACT
from triplegain.domain.orders import OrderStatus
from triplegain.domain.parts import Parts
from triplegain.domain.records import OrderRecord


class OrderTransitionError(TripleGainError):
    """The venue's answers contradict each other. The session halts; its record shows the last order that was sound."""


_ENDINGS = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.ERROR})

#: From which status an order may go where. A venue may refuse or drop only what it has not yet taken.
TRANSITIONS: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: (_ENDINGS | {OrderStatus.OPEN, OrderStatus.REJECTED}) - {OrderStatus.FILLED},
    OrderStatus.OPEN: _ENDINGS | {OrderStatus.PARTIALLY_FILLED},
    OrderStatus.PARTIALLY_FILLED: _ENDINGS | {OrderStatus.PARTIALLY_FILLED},
    **dict.fromkeys((status for status in OrderStatus if status.is_final), frozenset()),
}


OrderEvent = (
    OrderSubmitted
    | OrderScheduled
    | OrderAccepted
    | OrderRejected
    | OrderFilled
    | OrderCancelled
    | OrderTriggered
    | OrderPriced
    | OrderRefilled
    | OrderAmended
)


def after(record: OrderRecord | None, event: OrderEvent) -> OrderRecord:
    """The order as it is after `event`; `record` is None before it is submitted. Raises OrderTransitionError."""
    if isinstance(event, OrderSubmitted):
        return _submitted(record, event)
    if record is None or record.status.is_final:
        state = "unknown" if record is None else f"already {record.status}"
        raise OrderTransitionError(
            f"{type(event).__name__} number {event.sequence} is for order {event.order_number}, which is {state}"
        )
    match event:
        case OrderScheduled():
            return replace(record, updated_at_ns=event.time_ns)
        case OrderAccepted():
            return _moved(record, event, OrderStatus.OPEN)
        case OrderRejected():
            return replace(_moved(record, event, OrderStatus.REJECTED), code=event.code, reason=event.reason)
        case OrderFilled():
            return _filled(record, event)
        case OrderCancelled():
            record = _moved(record, event, event.status)
            _check_cumulative(record, event.cumulative_quantity)
            return replace(record, reason=event.reason)
        case OrderTriggered():
            return replace(record, triggered=True, updated_at_ns=event.time_ns)
        case OrderPriced():
            return replace(record, price=event.price, updated_at_ns=event.time_ns)
        case OrderRefilled():
            return replace(record, updated_at_ns=event.time_ns)
        case OrderAmended():
            if event.terms is not UNSET:
                record = replace(record, amended_terms=event.terms)
            return replace(record, quantity=event.quantity, price=event.price, updated_at_ns=event.time_ns)
        case _:
            assert_never(event)


def _submitted(record: OrderRecord | None, event: OrderSubmitted) -> OrderRecord:
    if record is not None:
        name = event.request.client_order_id
        raise OrderTransitionError(f"order {event.order_number} ({name}) was submitted twice")
    return OrderRecord(
        order_number=event.order_number,
        order_id=event.order_id,
        request=event.request,
        status=OrderStatus.PENDING,
        submitted_at_ns=event.time_ns,
        updated_at_ns=event.time_ns,
        quantity=event.request.quantity if event.quantity is None else event.quantity,
        price=event.request.terms.price,
    )


def _moved(
    record: OrderRecord, event: OrderAccepted | OrderRejected | OrderFilled | OrderCancelled, status: OrderStatus
) -> OrderRecord:
    if status not in TRANSITIONS[record.status]:
        raise OrderTransitionError(f"order {record.order_number} cannot go from {record.status} to {status}")
    return replace(record, status=status, updated_at_ns=event.time_ns)


def _filled(record: OrderRecord, event: OrderFilled) -> OrderRecord:
    record = replace(
        _moved(record, event, event.status),
        filled_quantity=EXACT.add(record.filled_quantity, event.quantity),
        filled_notional=EXACT.add(record.filled_notional, event.notional),
        fees=EXACT.add(record.fees, event.fee),
    )
    if record.request.terms.cost is not None:
        # How much its cost buys shows as it does.
        record = replace(record, quantity=record.filled_quantity)
    _check_cumulative(record, event.cumulative_quantity)
    return record


class OrderRegister:
    """Open orders, and the `keep_final` last finished ones of this run; all of them are in the database.

    `on_change` is told of each order that has become another.
    """

    def __init__(self, keep_final: int = 1000) -> None:
        self.on_change: Callable[[OrderRecord], None] = lambda record: None
        self._keep_final = keep_final
        self._open: dict[int, OrderRecord] = {}
        self._final: dict[int, OrderRecord] = {}
        self._by_client_id: dict[str, int] = {}
        self._changed: dict[int, OrderRecord] = {}
        self._touch: Callable[[str], None] = lambda number: None

    def open_orders(self) -> tuple[OrderRecord, ...]:
        """Orders that may still fill, in the order they were sent."""
        return tuple(self._open.values())

    def get(self, number: int) -> OrderRecord | None:
        """The order of that number, if it is still in memory."""
        return self._open.get(number) or self._final.get(number)

    def by_client_id(self, client_order_id: str) -> OrderRecord | None:
        """The order of that name, if it is still in memory."""
        number = self._by_client_id.get(client_order_id)
        return None if number is None else self.get(number)

    def drain_changed(self) -> list[OrderRecord]:
        """Each order that changed since the last call, as it is now, by number."""
        changed = [self._changed[number] for number in sorted(self._changed)]
        self._changed.clear()
        return changed

    def apply(self, event: ExchangeEvent) -> OrderRecord | None:
        """The order as it is after `event`; None where no order changed. Raises OrderTransitionError."""
        if isinstance(event, CommandRefused | AccountEvent):
            return None
        known = self.get(event.order_number)
        if isinstance(event, OrderSubmitted):
            known = known or self.by_client_id(event.request.client_order_id)
        record = after(known, event)
        number = record.order_number
        self._by_client_id[record.request.client_order_id] = number
        self._changed[number] = record
        self._touch(str(number))
        if record.status.is_final:
            self._open.pop(number, None)
            self._final[number] = record
            self._forget()
        else:
            self._open[number] = record
        self.on_change(record)
        return record

    def _forget(self) -> None:
        while len(self._final) > self._keep_final:
            oldest = self._final.pop(next(iter(self._final)))
            del self._by_client_id[oldest.request.client_order_id]

    def register(self, parts: Parts) -> None:
        """Open orders; finished ones are rows."""
        self._touch = parts.table("execution.order", OrderRecord, self._open, int, self._restore)

    def _restore(self, stored: dict[str, OrderRecord]) -> None:
        for record in sorted(stored.values(), key=lambda each: each.order_number):
            self._open[record.order_number] = record
            self._by_client_id[record.request.client_order_id] = record.order_number
            self.on_change(record)


def _check_cumulative(record: OrderRecord, cumulative: Decimal) -> None:
    if record.filled_quantity != cumulative or cumulative > record.quantity:
        raise OrderTransitionError(
            f"order {record.order_number} of {record.quantity}: its fills add up to {record.filled_quantity}, "
            f"the venue counts {cumulative}"
        )
