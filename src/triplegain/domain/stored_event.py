"""Exchange events as JSON and back, for answers that are still on their way when a session is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, get_args

from triplegain.domain.exchange_events import ExchangeEvent
from triplegain.domain.money import text
from triplegain.domain.orders import AmendRequest, OrderRequest, OrderStatus, Side
from triplegain.domain.stored_order import request_from_json, request_to_json

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(ExchangeEvent)}


def event_to_json(event: ExchangeEvent) -> list[Any]:
    """[kind, field, ...] in the order of the fields; what is not plain JSON is a one-key object naming its type."""
    return [type(event).__name__, *(_encode(getattr(event, field.name)) for field in fields(event))]


def event_from_json(stored: list[Any]) -> ExchangeEvent:
    kind, *values = stored
    event: ExchangeEvent = _KINDS[kind](*(_decode(value) for value in values))
    return event


def _encode(value: Any) -> Any:
    match value:
        case Decimal():
            return {"decimal": text(value)}
        case Side():
            return {"side": value.label}
        case OrderStatus():
            return {"status": value.value}
        case OrderRequest():
            return {"request": request_to_json(value)}
        case AmendRequest():
            amounts = [None if amount is None else text(amount) for amount in (value.quantity, value.price)]
            return {"amend": [value.client_order_id, *amounts]}
        case Mapping():
            return {"mapping": dict(value)}
        case _:
            return value


def _decode(value: Any) -> Any:
    match value:
        case {"decimal": str(amount)}:
            return Decimal(amount)
        case {"side": str(label)}:
            return Side.parse(label)
        case {"status": str(status)}:
            return OrderStatus(status)
        case {"request": request}:
            return request_from_json(request)
        case {"amend": [str(client_order_id), quantity, price]}:
            amounts = [None if amount is None else Decimal(amount) for amount in (quantity, price)]
            return AmendRequest(client_order_id, *amounts)
        case {"mapping": mapping}:
            return mapping
        case _:
            return value
