"""An order and its fills, as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel

from triplegain.api.wire import Amount, Plain, Resource, Time
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.money import divide
from triplegain.domain.records import OrderRecord


class Fill(BaseModel):
    """One execution; `explanation` says why at this price."""

    fill_id: str
    fill_number: int
    time: Time
    price: Amount
    quantity: Amount
    notional: Amount
    fee: Amount
    fee_asset: str
    maker: bool
    explanation: Plain


class Order(Resource):
    """`price` is the limit or the trigger, null for a market order. `code` and `reason` tell why it was rejected."""

    order_id: str
    client_order_id: str
    order_number: int
    symbol: str
    side: str
    order_type: str
    quantity: Amount
    price: Amount | None
    post_only: bool
    time_in_force: str
    expires_at: Time | None
    status: str
    filled_quantity: Amount
    filled_notional: Amount
    average_price: Amount | None
    fees: Amount
    triggered: bool
    code: str | None
    reason: str | None
    position_id: str | None
    purpose: str
    submitted_at: Time
    updated_at: Time
    fills: list[Fill] | None = None


class OrderPages(Resource):
    items: list[Order]
    next: int | None


def order(record: OrderRecord, mode: str, fills: Iterable[OrderFilled] | None = None) -> Order:
    request, terms, filled = record.request, record.request.terms, record.filled_quantity
    return Order(
        mode=mode,
        order_id=record.order_id,
        client_order_id=request.client_order_id,
        order_number=record.order_number,
        symbol=request.symbol,
        side=request.side.value,
        order_type=terms.kind,
        quantity=record.quantity,
        price=terms.price if record.price is None else record.price,
        post_only=terms.post_only,
        time_in_force=request.time_in_force.value,
        expires_at=request.expires_at_ns,
        status=record.status.value,
        filled_quantity=filled,
        filled_notional=record.filled_notional,
        average_price=divide(record.filled_notional, filled) if filled else None,
        fees=record.fees,
        triggered=record.triggered,
        code=record.code,
        reason=record.reason,
        position_id=request.position_id,
        purpose=request.purpose,
        submitted_at=record.submitted_at_ns,
        updated_at=record.updated_at_ns,
        fills=None if fills is None else [_fill(each) for each in fills],
    )


def _fill(event: OrderFilled) -> Fill:
    return Fill(
        fill_id=event.fill_id,
        fill_number=event.fill_number,
        time=event.time_ns,
        price=event.price,
        quantity=event.quantity,
        notional=event.notional,
        fee=event.fee,
        fee_asset=event.fee_asset,
        maker=event.maker,
        explanation=event.explanation,
    )
