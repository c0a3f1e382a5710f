"""Orders: place, amend, cancel, look up."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import Header, Path, Query, Response

from triplegain.api.addressee import PREFIX
from triplegain.api.brakes import brake
from triplegain.api.requests import Amendment, Nothing, OrderPage, Page, Trade
from triplegain.api.resources import Cancelled, Order, OrderExplanation, OrderPages, order
from triplegain.api.visit import CurrentVisit, Visit
from triplegain.api.wire import Name
from triplegain.domain.commands import AmendOrder, CancelAll, CancelOrder, PlaceOrder
from triplegain.domain.orders import OrderRequest, OrderStatus
from triplegain.domain.price import price_text
from triplegain.domain.records import OrderRecord
from triplegain.domain.refusals import Code, RefusedError
from triplegain.domain.values import NAME
from triplegain.domain.views import OrderStandings
from triplegain.storage.told_order import FILLS_MAX, order_named, order_or_fill_named, read_told_order

OrderName = Annotated[str, Path(pattern=NAME, description="client order id or order id")]
#: An order that ended so was not placed unless it has fills; the code where its row has none.
_REFUSED = {OrderStatus.REJECTED: Code.REFUSED, OrderStatus.ERROR: Code.COMMIT_REFUSED}


async def list_orders(visit: CurrentVisit, query: Annotated[OrderPage, Query()]) -> OrderPages:
    now = visit.moment()
    shown, following = await query.rows(visit.reader.orders, now.session_id)
    standings = visit.control.see(OrderStandings).orders
    items = [order(each, now.mode, standing=standings.get(each.request.client_order_id)) for each in shown]
    return OrderPages(mode=now.mode, items=items, next=following)


async def show_order(visit: CurrentVisit, name: OrderName) -> Order:
    """With its first thousand fills and the explanation of each; one that is open with how it stands at the exchange
    now."""
    now = visit.moment()
    record = await find_order(visit, name)
    fills = await visit.reader.fills(now.session_id, order_number=record.order_number, limit=FILLS_MAX)
    return order(record, now.mode, fills, visit.control.see(OrderStandings).orders.get(record.request.client_order_id))


async def explain_order(visit: CurrentVisit, name: OrderName, query: Annotated[Page, Query()]) -> OrderExplanation:
    """Why it filled at its prices, or why it did not, with `limit` of its fills at most: those `after` that of this
    number. A fill id names its order, too."""
    now = visit.moment()
    record, _ = await order_or_fill_named(visit.reader, now.session_id, name)
    if record is None:
        raise RefusedError(Code.UNKNOWN_ORDER, f"no order or fill is called {name}")
    standing = visit.control.see(OrderStandings).orders.get(record.request.client_order_id)
    told = await read_told_order(visit.reader, now.session_id, record, standing, after=query.after, limit=query.limit)
    return OrderExplanation.of(told, mode=now.mode)


async def place_order(
    visit: CurrentVisit,
    body: Trade,
    response: Response,
    idempotency_key: Annotated[Name | None, Header(description="the client order id, if the body has none")] = None,
) -> Order:
    """201 with the order as the exchange answered; 200 with the order as it is now for an id the session knows.

    422 with Kraken's code if the exchange rejected it, or `commit_refused` if the database cannot hold it (the order is
    in `details.order`), 409 if the id belongs to a different order.
    """
    now = visit.moment()
    client_order_id = client_order_id_of(visit, body, idempotency_key)
    request = body.order(client_order_id, now.market_time_ns)
    audit = visit.audit("paper_trade", told(request, body))
    command = PlaceOrder(request, body.stop, body.target)
    done = await visit.carry_out(command, audit, f"GET /paper/orders/{client_order_id}")
    record = done.record
    response.status_code = 200 if done.again else 201
    protection = await visit.reader.asked_protection(now.session_id, client_order_id) if done.again else None
    _same_order(record.request, request, body, protection)
    return as_answered(visit, record, response)


def as_answered(visit: Visit, record: OrderRecord, response: Response) -> Order:
    """The order with its place. Raises RefusedError where the exchange rejected it."""
    placed = order(record, visit.moment().mode)
    if record.status in _REFUSED and not record.filled_quantity:
        details = {"order": placed.model_dump(mode="json", by_alias=True)}
        code = Code.of(record.code or "") or _REFUSED[record.status]
        raise RefusedError(code, record.reason or "the exchange rejected the order", details)
    response.headers["Location"] = f"{PREFIX}{visit.base}/paper/orders/{record.request.client_order_id}"
    return placed


async def amend_order(visit: CurrentVisit, name: OrderName, body: Amendment) -> Order:
    """Change a resting order in place."""
    client_order_id = (await find_order(visit, name)).request.client_order_id
    audit = visit.audit("order_amend", {"client_order_id": client_order_id, **body.changes()})
    command = AmendOrder(body.request(client_order_id, visit.moment().market_time_ns))
    done = await visit.carry_out(command, audit, f"GET /paper/orders/{client_order_id}")
    return order(done.record, visit.moment().mode)


async def cancel_order(visit: CurrentVisit, name: OrderName, body: Nothing | None = None) -> Order:
    """The order as it is after the cancel. One that was cancelled already is shown again; nothing is done."""
    record = await find_order(visit, name)
    mode = visit.moment().mode
    if record.status is OrderStatus.CANCELLED:
        return order(record, mode)
    client_order_id = record.request.client_order_id
    if record.status.is_final:
        raise RefusedError(Code.ORDER_FINAL, f"order {client_order_id} is {record.status}: there is nothing to cancel")
    audit = visit.audit("order_cancel", {"client_order_id": client_order_id})
    done = await visit.carry_out(CancelOrder(client_order_id), audit, f"GET /paper/orders/{client_order_id}")
    return order(done.record, mode)


@brake
async def cancel_all_orders(visit: Visit, body: Nothing | None = None) -> Cancelled:
    """Every order that would open something, those on their way to the exchange included. What protects stays."""
    done = await visit.carry_out(CancelAll(), visit.audit("order_cancel", {"act": "all"}), "GET /paper/orders")
    now = visit.moment()
    return Cancelled.of(done.record, mode=now.mode, session=now.session_id)


async def find_order(visit: Visit, name: str) -> OrderRecord:
    """Raises RefusedError where no order has that id."""
    session = visit.moment().session_id
    record = await order_named(visit.reader, session, name)
    if record is None:
        raise RefusedError(Code.UNKNOWN_ORDER, f"session {session} has no order {name}: `order list --all` shows them")
    return record


def client_order_id_of(visit: Visit, body: Trade, idempotency_key: str | None) -> str:
    given = {name for name in (body.client_order_id, idempotency_key) if name is not None}
    if len(given) > 1:
        raise RefusedError(Code.INVALID_REQUEST, "Idempotency-Key and client_order_id differ: send one of them")
    return given.pop() if given else f"api-{visit.caller.request_id}"


def _same_order(
    known: OrderRequest, asked: OrderRequest, body: Trade, protection: tuple[Decimal | None, Decimal | None] | None
) -> None:
    """An id used again must mean the same order: whoever reuses one by mistake would think the new one is placed.

    `protection`: the stop and target that were asked for, where that is known.
    """
    fields = ["symbol", "side", "quantity", "terms", "time_in_force", "leverage", "self_trade", "fee_asset"]
    if body.expires is not None and "T" in body.expires:
        fields.append("expires_at_ns")
    differing = [field for field in fields if getattr(known, field) != getattr(asked, field)]
    # Moments are lengths from now as a rule: they differ each time.
    options = ("reduce_only", "close")
    differing += [each for each in options if getattr(known.options, each) != getattr(asked.options, each)]
    if protection is not None:
        pairs = {"stop": (protection[0], body.stop), "target": (protection[1], body.target)}
        differing += [field for field, (before, now) in pairs.items() if before != now]
    if differing:
        raise RefusedError(
            Code.CLIENT_ORDER_ID_IN_USE,
            f"{asked.client_order_id} is the id of another order ({', '.join(differing)} differ): choose a new id",
            {"differing": differing},
        )


def told(request: OrderRequest, body: Trade) -> dict[str, Any]:
    named = ("quantity", "cost", "price", "limit_price", "display_quantity", "stop", "target")
    prices = {name: getattr(body, name) for name in named}
    return {
        "client_order_id": request.client_order_id,
        "symbol": request.symbol,
        "side": request.side.value,
        "order_type": request.terms.kind,
        **{name: price_text(value) for name, value in prices.items() if value is not None},
    }
