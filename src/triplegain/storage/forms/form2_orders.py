"""Orders as form 2 wrote them, the exchange they stand on, and the wallet that pays for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triplegain.storage.forms.form2_words import PartRows, time, without


def request(stored: Mapping[str, Any]) -> dict[str, Any]:
    """An order as it was asked for, with who wanted it."""
    return {**stored, "expires_at_ns": time(stored["expires_at_ns"]), "origin": _origin(stored)}


def _origin(stored: Mapping[str, Any]) -> str:
    """What an order was for told this, and that only the desk sells the coins of a position."""
    match stored["purpose"]:
        case "hodl" | "rebalance" as origin:
            return str(origin)
        case "entry":
            return "agent"
        case _:
            is_way_out = stored["side"] == "sell" and stored["position_id"] is not None
            return "protection" if is_way_out else "hand"


def record(stored: Mapping[str, Any]) -> dict[str, Any]:
    """An order and how far it has come."""
    times = {name: int(stored[name]) for name in ("submitted_at_ns", "updated_at_ns")}
    return {**stored, **times, "request": request(stored["request"])}


def exchange_parts(state: Mapping[str, Any]) -> PartRows:
    yield ("ledger.wallet", ""), state["wallet"]
    exchange = state["exchange"]
    orders = [
        {"working": without("kind", order["working"]), "request": request(order["request"])}
        for order in exchange["orders"]
    ]
    yield ("exchange.all", ""), {**exchange, "orders": orders}
