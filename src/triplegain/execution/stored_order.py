"""Orders as JSON and back, for the state of a session. Money as text, exact; unknown kinds are errors."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_never

from triplegain.domain.errors import InvalidValueError
from triplegain.domain.money import text
from triplegain.domain.orders import (
    Limit,
    Market,
    OrderRequest,
    OrderStatus,
    OrderTerms,
    SelfTradePrevention,
    Side,
    StopLoss,
    TimeInForce,
)
from triplegain.domain.records import OrderRecord


def _terms_to_json(terms: OrderTerms) -> dict[str, Any]:
    match terms:
        case Market():
            return {"kind": terms.kind}
        case Limit(price, post_only):
            return {"kind": terms.kind, "price": text(price), "post_only": post_only}
        case StopLoss(trigger):
            return {"kind": terms.kind, "trigger": text(trigger)}
        case _:
            assert_never(terms)


def _terms_from_json(stored: Mapping[str, Any]) -> OrderTerms:
    match stored["kind"]:
        case Market.kind:
            return Market()
        case Limit.kind:
            return Limit(Decimal(stored["price"]), stored["post_only"])
        case StopLoss.kind:
            return StopLoss(Decimal(stored["trigger"]))
        case other:
            raise InvalidValueError(f"the stored order has an unknown kind: {other!r}")


def request_to_json(request: OrderRequest) -> dict[str, Any]:
    return {
        "client_order_id": request.client_order_id,
        "symbol": request.symbol,
        "side": request.side.label,
        "quantity": text(request.quantity),
        "terms": _terms_to_json(request.terms),
        "time_in_force": request.time_in_force.value,
        "expires_at_ns": None if request.expires_at_ns is None else str(request.expires_at_ns),
        "leverage": request.leverage,
        "self_trade": request.self_trade.value,
        "position_id": request.position_id,
        "purpose": request.purpose,
    }


def request_from_json(stored: Mapping[str, Any]) -> OrderRequest:
    return OrderRequest(
        client_order_id=stored["client_order_id"],
        symbol=stored["symbol"],
        side=Side.parse(stored["side"]),
        quantity=Decimal(stored["quantity"]),
        terms=_terms_from_json(stored["terms"]),
        time_in_force=TimeInForce(stored["time_in_force"]),
        expires_at_ns=None if stored["expires_at_ns"] is None else int(stored["expires_at_ns"]),
        leverage=stored["leverage"],
        self_trade=SelfTradePrevention(stored["self_trade"]),
        position_id=stored["position_id"],
        purpose=stored["purpose"],
    )


def record_to_json(record: OrderRecord) -> dict[str, Any]:
    return {
        "order_number": record.order_number,
        "order_id": record.order_id,
        "request": request_to_json(record.request),
        "status": record.status.value,
        "submitted_at_ns": str(record.submitted_at_ns),
        "updated_at_ns": str(record.updated_at_ns),
        "quantity": text(record.quantity),
        "price": None if record.price is None else text(record.price),
        "filled_quantity": text(record.filled_quantity),
        "filled_notional": text(record.filled_notional),
        "fees": text(record.fees),
        "code": record.code,
        "reason": record.reason,
        "triggered": record.triggered,
    }


def record_from_json(stored: Mapping[str, Any]) -> OrderRecord:
    return OrderRecord(
        order_number=stored["order_number"],
        order_id=stored["order_id"],
        request=request_from_json(stored["request"]),
        status=OrderStatus(stored["status"]),
        submitted_at_ns=int(stored["submitted_at_ns"]),
        updated_at_ns=int(stored["updated_at_ns"]),
        quantity=Decimal(stored["quantity"]),
        price=None if stored["price"] is None else Decimal(stored["price"]),
        filled_quantity=Decimal(stored["filled_quantity"]),
        filled_notional=Decimal(stored["filled_notional"]),
        fees=Decimal(stored["fees"]),
        code=stored["code"],
        reason=stored["reason"],
        triggered=stored["triggered"],
    )
