"""Orders beyond one at a time: a question about one, an edit, batches, and the dead man's switch."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from triplegain.api.orders import OrderName, as_answered, client_order_id_of, find_order, told
from triplegain.api.requests import Batch, CancelAfter, CancelBatch, Edit, Trade
from triplegain.api.resources import CancelAllAfterSet, Cancelled, Order, OrderBatch, Validated, order
from triplegain.api.visit import CurrentVisit
from triplegain.domain.commands import CancelAllAfter, CancelOrders, EditOrder, PlaceBatch, PlaceOrder, ValidateOrder
from triplegain.domain.money import text


async def validate_order(visit: CurrentVisit, body: Trade) -> Validated:
    """Every check that the order would meet if it arrived now; nothing is sent or held. What it costs of the exchange's
    rate limit is charged. Refused with the code with which the order would be."""
    now = visit.moment()
    request = body.order(client_order_id_of(visit, body, None), now.market_time_ns)
    audit = visit.audit("order_validate", told(request, body))
    await visit.carry_out(ValidateOrder(request, body.stop, body.target), audit, "POST /paper/orders/validate")
    return Validated(mode=now.mode, session=now.session_id)


async def place_batch(visit: CurrentVisit, body: Batch, response: Response) -> OrderBatch:
    """2 to 15 orders of one pair, in one message. One that is not valid refuses all of them; one that cannot be paid,
    or would take though it is post-only, is refused alone. 200 where these ids are known already."""
    now = visit.moment()
    names = [each.client_order_id or f"api-{visit.caller.request_id}-{n}" for n, each in enumerate(body.orders, 1)]
    requests = [each.order(name, now.market_time_ns) for name, each in zip(names, body.orders, strict=True)]
    orders = zip(requests, body.orders, strict=True)
    command = PlaceBatch(tuple(PlaceOrder(request, each.stop, each.target) for request, each in orders))
    details = {"orders": [told(request, each) for request, each in zip(requests, body.orders, strict=True)]}
    done = await visit.carry_out(command, visit.audit("paper_trade", details), "GET /paper/orders")
    response.status_code = 200 if done.again else 201
    return OrderBatch(mode=now.mode, items=[order(each, now.mode) for each in done.record])


async def edit_order(visit: CurrentVisit, name: OrderName, body: Edit, response: Response) -> Order:
    """The order is over, and a new one with another id, at the back of the queue, has its place. 201 with the new one;
    refused, the order stays as it is. Not for triggered orders, and not for those with a conditional close."""
    now = visit.moment()
    original = (await find_order(visit, name)).request.client_order_id
    new_id = body.client_order_id or f"api-{visit.caller.request_id}"
    amounts = {"quantity": body.quantity, "price": body.price}
    details: dict[str, Any] = {field: text(value) for field, value in amounts.items() if value is not None}
    audit = visit.audit("order_edit", {"client_order_id": new_id, "replaces": original, **details})
    command = EditOrder(original, new_id, body.quantity, body.price, body.deadline_ns(now.market_time_ns))
    done = await visit.carry_out(command, audit, f"GET /paper/orders/{new_id}")
    response.status_code = 200 if done.again else 201
    return as_answered(visit, done.record, response)


async def cancel_batch(visit: CurrentVisit, body: CancelBatch) -> Cancelled:
    """2 to 50 orders in one message, each with an answer of its own."""
    names = [(await find_order(visit, name)).request.client_order_id for name in body.orders]
    names = list(dict.fromkeys(names))
    audit = visit.audit("order_cancel", {"orders": names})
    done = await visit.carry_out(CancelOrders(tuple(names)), audit, "GET /paper/orders")
    now = visit.moment()
    return Cancelled.of(done.record, mode=now.mode, session=now.session_id)


async def cancel_all_after(visit: CurrentVisit, body: CancelAfter) -> CancelAllAfterSet:
    """The exchange's dead man's switch: unless it is set again within `timeout` seconds of market time every order is
    cancelled, those that protect positions too (they are placed again). 0 switches it off."""
    audit = visit.audit("order_cancel", {"act": "all after", "timeout": body.timeout})
    done = await visit.carry_out(CancelAllAfter(body.timeout), audit, "GET /paper/orders")
    now = visit.moment()
    return CancelAllAfterSet.of(done.record, mode=now.mode, session=now.session_id)
