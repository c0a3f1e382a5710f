"""All orders of a session as the venue's answers tell of them.

A projection: the register decides nothing, and an answer that cannot follow from the ones before it is a bug,
reported as `OrderTransitionError` and never papered over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace

from triplegain.domain.errors import TripleGainError
from triplegain.domain.exchange_events import (
    CommandRefused,
    ExchangeEvent,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSubmitted,
    OrderTriggered,
)
from triplegain.domain.money import EXACT
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import OrderRecord


class OrderTransitionError(TripleGainError):
    """The venue's answers contradict each other. The session halts; its record shows the last order that was sound."""


_ENDINGS = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.ERROR})

#: From which status an order may go where. A venue may refuse or drop only what it has not yet taken.
TRANSITIONS: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset(
        {OrderStatus.OPEN, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.ERROR}
    ),
    OrderStatus.OPEN: _ENDINGS | {OrderStatus.PARTIALLY_FILLED},
    OrderStatus.PARTIALLY_FILLED: _ENDINGS | {OrderStatus.PARTIALLY_FILLED},
    OrderStatus.FILLED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
    OrderStatus.EXPIRED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
    OrderStatus.ERROR: frozenset(),
}


class OrderRegister:
    """Open orders, and the `keep_final` last finished ones; older ones are in the database."""

    def __init__(self, keep_final: int = 1000) -> None:
        self._keep_final = keep_final
        self._open: dict[int, OrderRecord] = {}
        self._final: dict[int, OrderRecord] = {}
        self._by_client_id: dict[str, int] = {}
        self._changed: dict[int, OrderRecord] = {}

    def open_orders(self) -> Iterator[OrderRecord]:
        """Orders that may still fill, in the order they were sent."""
        return iter(tuple(self._open.values()))

    def recent(self) -> tuple[OrderRecord, ...]:
        """Every order still in memory, by number."""
        return tuple(sorted((self._open | self._final).values(), key=lambda record: record.order_number))

    def by_client_id(self, client_order_id: str) -> OrderRecord | None:
        """The order of that name, if it is still in memory."""
        number = self._by_client_id.get(client_order_id)
        return None if number is None else self._open.get(number) or self._final.get(number)

    def drain_changed(self) -> list[OrderRecord]:
        """Each order that changed since the last call, as it is now, by number."""
        changed = [self._changed[number] for number in sorted(self._changed)]
        self._changed.clear()
        return changed

    def apply(self, event: ExchangeEvent) -> OrderRecord | None:
        """The order as it is after `event`; None where no order changed. Raises OrderTransitionError."""
        match event:
            case CommandRefused():
                return None
            case OrderSubmitted():
                return self._store(self._submitted(event))
            case OrderAccepted():
                return self._store(self._moved(event, OrderStatus.OPEN))
            case OrderRejected():
                record = self._moved(event, OrderStatus.REJECTED)
                return self._store(replace(record, code=event.code, reason=event.reason))
            case OrderFilled():
                return self._store(self._filled(event))
            case OrderCancelled():
                record = self._moved(event, event.status)
                _check_cumulative(record, event.cumulative_quantity)
                return self._store(replace(record, reason=event.reason))
            case OrderTriggered():
                return self._store(replace(self._live(event), triggered=True, updated_at_ns=event.time_ns))
            case OrderAmended():
                record = replace(self._live(event), quantity=event.quantity, price=event.price)
                return self._store(replace(record, updated_at_ns=event.time_ns))
            case _:
                assert_never(event)

    def _submitted(self, event: OrderSubmitted) -> OrderRecord:
        number = event.order_number
        if number in self._open or number in self._final or event.request.client_order_id in self._by_client_id:
            raise OrderTransitionError(f"order {number} ({event.request.client_order_id}) was submitted twice")
        self._by_client_id[event.request.client_order_id] = number
        return OrderRecord(
            order_number=number,
            order_id=event.order_id,
            request=event.request,
            status=OrderStatus.PENDING,
            submitted_at_ns=event.time_ns,
            updated_at_ns=event.time_ns,
            quantity=event.request.quantity if event.quantity is None else event.quantity,
            price=event.request.terms.price,
        )

    def _live(
        self, event: OrderAccepted | OrderRejected | OrderFilled | OrderCancelled | OrderTriggered | OrderAmended
    ) -> OrderRecord:
        record = self._open.get(event.order_number)
        if record is None:
            known = self._final.get(event.order_number)
            state = "unknown" if known is None else f"already {known.status}"
            raise OrderTransitionError(
                f"{type(event).__name__} number {event.sequence} is for order {event.order_number}, which is {state}"
            )
        return record

    def _moved(
        self, event: OrderAccepted | OrderRejected | OrderFilled | OrderCancelled, status: OrderStatus
    ) -> OrderRecord:
        record = self._live(event)
        if status not in TRANSITIONS[record.status]:
            raise OrderTransitionError(f"order {record.order_number} cannot go from {record.status} to {status}")
        return replace(record, status=status, updated_at_ns=event.time_ns)

    def _filled(self, event: OrderFilled) -> OrderRecord:
        record = self._moved(event, event.status)
        record = replace(
            record,
            filled_quantity=EXACT.add(record.filled_quantity, event.quantity),
            filled_notional=EXACT.add(record.filled_notional, event.notional),
            fees=EXACT.add(record.fees, event.fee),
        )
        _check_cumulative(record, event.cumulative_quantity)
        return record

    def _store(self, record: OrderRecord) -> OrderRecord:
        number = record.order_number
        self._changed[number] = record
        if not record.status.is_final:
            self._open[number] = record
            return record
        self._open.pop(number, None)
        self._final[number] = record
        while len(self._final) > self._keep_final:
            oldest = self._final.pop(next(iter(self._final)))
            del self._by_client_id[oldest.request.client_order_id]
        return record

    def state(self) -> dict[str, Any]:
        """The orders in memory, finished ones in the order they finished."""
        return {
            "open": [msgspec.to_builtins(record) for record in self._open.values()],
            "final": [msgspec.to_builtins(record) for record in self._final.values()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._open = {record.order_number: record for record in msgspec.convert(state["open"], list[OrderRecord])}
        self._final = {record.order_number: record for record in msgspec.convert(state["final"], list[OrderRecord])}
        everything = self._open | self._final
        self._by_client_id = {record.request.client_order_id: number for number, record in everything.items()}
        self._changed.clear()


def _check_cumulative(record: OrderRecord, cumulative: Decimal) -> None:
    if record.filled_quantity != cumulative or cumulative > record.quantity:
        raise OrderTransitionError(
            f"order {record.order_number} of {record.quantity}: its fills add up to {record.filled_quantity}, "
            f"the venue counts {cumulative}"
        )
