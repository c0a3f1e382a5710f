"""Orders as form 2 wrote them, the exchange they stand on, and the wallet that pays for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triplegain.storage.forms.form2_words import AMENDMENT, PartRows, named, units, without

#: The lists of a market that orders wait in.
_WAITING = ("resting", "stops", "simple")
_WIDE = (
    "price", "lots", "left", "ahead", "ahead_before", "ahead_at_arrival", "fee_exact", "fee_charged", "spent_atoms",
)  # fmt: skip
#: A market of which nothing had been heard and nothing been asked.
_UNTOUCHED = {"last": None, "last_at_ns": 0, "state": "synced", "state_reason": "", "rate": 0, "rate_at_ns": 0}


def request(stored: Mapping[str, Any]) -> dict[str, Any]:
    """An order as it was asked for, with who wanted it."""
    return {**stored, "origin": _origin(stored)}


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
    return {**stored, "request": request(stored["request"])}


def ledger_parts(wallet: Mapping[str, Any]) -> PartRows:
    yield ("ledger.numbers", ""), {name: wallet[name] for name in ("sequence", "transaction")}
    for account, name in (("wallet", "total"), ("hodl", "hodl")):
        for asset, amount in wallet[name].items():
            yield ("ledger.balance", f"{account} {asset}"), units(amount)
    for number, (asset, amount, *account) in wallet["reservations"].items():
        # The first reservations knew of no other account.
        kept = {"asset": asset, "amount": units(amount), "account": account[0] if account else "wallet"}
        yield ("ledger.reservation", number), kept


def exchange_parts(exchange: Mapping[str, Any]) -> PartRows:
    times = {name: exchange[name] for name in ("now_ns", "answered_ns")}
    counted = {"events": exchange["sequence"], "fills": exchange["fill_count"], "commands": len(exchange["agenda"])}
    draws = named("latency_draws queue_draws", exchange["draws"])
    yield ("exchange.numbers", ""), {**times, **counted, **draws, "orders": exchange["order_count"]}
    places: dict[int, int] = {}
    fresh: set[int] = set()
    for symbol, market in exchange["markets"].items():
        # Those that wait stood in the order in which they came, level by level.
        places.update((number, place) for kind in _WAITING for place, number in enumerate(market[kind], 1))
        fresh.update(market["fresh"])
        yield from _market(symbol, market)
    arrivals = {}
    for number, (due_ns, kind, *what) in enumerate(exchange["agenda"], 1):
        if kind == "place":
            arrivals[what[0]] = due_ns
        yield ("exchange.command", str(number)), {"due_ns": due_ns, "command": _command(kind, *what)}
    for order in exchange["orders"]:
        number = order["working"]["number"]
        arrived_ns = arrivals.get(number, order["working"]["arrived_ns"])
        standing = {"arrived_ns": arrived_ns, "place": places.get(number, 0), "fresh": number in fresh}
        yield ("exchange.order", str(number)), _order(order) | standing
    # Those that are over, oldest first.
    for place, (name, _) in enumerate(exchange["recent"], 1):
        yield ("exchange.recent", name), place
    for bucket, atoms in exchange["volume"]:
        yield ("exchange.volume", str(bucket)), units(atoms)


def _market(symbol: str, market: Mapping[str, Any]) -> PartRows:
    rate, rate_at_ns = market["rate"]
    standing = {name: market[name] for name in ("last", "last_at_ns", "state", "state_reason")}
    standing |= {"rate": rate, "rate_at_ns": rate_at_ns}
    if standing != _UNTOUCHED:
        yield ("exchange.market", symbol), standing
    for side, levels in enumerate(market["taken"]):
        for price, lots in levels:
            yield ("exchange.taken", f"{symbol} {side} {price}"), int(lots)


def _order(stored: Mapping[str, Any]) -> dict[str, Any]:
    working = without("kind", stored["working"])
    return {**working, **{name: str(working[name]) for name in _WIDE}, "request": request(stored["request"])}


def _command(kind: str, *what: Any) -> dict[str, Any]:
    if kind == "amend":
        return {"type": kind, "request": named(AMENDMENT, what)}
    return {"type": kind, **named("client_order_id" if kind == "cancel" else "number", what)}
