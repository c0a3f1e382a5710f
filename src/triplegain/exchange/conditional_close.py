"""Conditional close, the exchange's only linked order: each fill opens an order of its own on the other side.

Kraken (WebSocket v2, add_order): "Each fill on the primary order will generate a new secondary order. The size of the
secondary order will be the same size as the executed quantity and have the opposite side."
"""

from __future__ import annotations

from triplegain.domain.ids import Family, own_id
from triplegain.domain.orders import OrderOptions, OrderRequest, OrderTerms
from triplegain.domain.price import Offset
from triplegain.domain.refusals import Code, Refusal
from triplegain.exchange.order import WorkingOrder
from triplegain.exchange.prices import read_prices

#: What the record says a closing order is for.
PURPOSE = "close"


def check_close(order: WorkingOrder, last: int | None) -> Refusal | None:
    """Whether orders with these closing terms can be opened, as far as that is known before a fill: their quantity
    comes with each, and so does the price that a relative one goes by."""
    terms = order.request.options.close
    if terms is None:
        return None
    waits_or_rests = terms.first is not None or terms.trail is not None
    if not waits_or_rests or terms.display is not None:
        return Refusal(Code.INVALID_CLOSE, f"a {terms.kind} order closes nothing: name a limit or a trigger")
    if terms.post_only:
        return Refusal(Code.INVALID_CLOSE, "a closing order cannot be post-only")
    near = (order.price or last) if goes_by_the_fill(terms) else last
    if goes_by_the_fill(terms) and near is None:
        return None
    closing = closing_order(order, terms, order.left)
    return read_prices(WorkingOrder(0, "", closing, order.instrument, order.sent_ns, order.arrived_ns), near)


def goes_by_the_fill(terms: OrderTerms) -> bool:
    """Whether its prices are relative: to that of the fill, which is the last trade of that moment at the exchange."""
    return terms.trail is None and any(isinstance(price, Offset) for price in (terms.first, terms.second))


def closing_order(order: WorkingOrder, terms: OrderTerms, lots: int) -> OrderRequest:
    """What the fill of `lots` that has just been counted opens; named by its order and its place among the fills."""
    request = order.request
    return OrderRequest(
        client_order_id=own_id(Family.CLOSE, order.number, order.fills),
        symbol=request.symbol,
        side=request.side.opposite,
        quantity=order.instrument.quantity(lots),
        terms=terms,
        leverage=request.leverage,
        self_trade=request.self_trade,
        purpose=PURPOSE,
        origin=request.origin,
        options=OrderOptions(closes=request.client_order_id),
    )
