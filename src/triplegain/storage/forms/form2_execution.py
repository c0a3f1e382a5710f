"""Orders and positions of a session of form 2, how they are protected, and its hodl bag."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from triplegain.storage.forms.form2_orders import record, request
from triplegain.storage.forms.form2_words import PartRows, time, without

_LEGS = {
    "sent": "pending_new",
    "live": "working",
    "cancelling": "pending_cancel",
    "triggered": "triggered",
    "over": "done",
}
#: Ids that only the program gave; whatever else began a position was a person's.
_OWN = re.compile(r"(entry|stop|exit)-\d+|hodl-.*")
_DOLLARS = {"USD", "ZUSD", "USDT"}


def execution_parts(state: Mapping[str, Any], snapshots: Sequence[Mapping[str, Any]]) -> PartRows:
    """Orders and positions, and the portfolio's figures; `snapshots` are the rows of all that were taken of it."""
    stored, desk = state["executor"], state["desk"]
    opening = without("prices", stored["portfolio"]["opening"])
    dollars = {asset for asset, held in opening["balances"].items() if Decimal(held)} <= _DOLLARS
    if opening["equity"] is None and dollars:
        # Dollars need no price.
        opening = {**opening, "equity": str(sum(map(Decimal, opening["balances"].values()), Decimal(0)))}
    yield (
        ("execution.executor", ""),
        {
            "orders": _register(stored["orders"]),
            "positions": _positions(stored["positions"]),
            "portfolio": {**stored["portfolio"], "opening": opening, "equity_so_far": _equity_so_far(snapshots)},
        },
    )
    yield ("execution.known_orders", ""), _register(state["known_orders"])
    yield ("execution.known_positions", ""), _positions(state["known_positions"])
    protections = desk["protections"]["protections"]
    yield (
        ("execution.desk", ""),
        {
            "counters": desk["counters"],
            "now_ns": desk["now_ns"],
            "free": {**desk["free"], "sent": [request(each) for each in desk["free"]["sent"]]},
            "by_hand": sorted(each["position_id"] for each in protections if not _OWN.fullmatch(each["entry_id"])),
        },
    )


def _register(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [record(order) for order in orders] for name, orders in stored.items()}


def _positions(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **stored,
        "orders": {number: request(order) for number, order in stored["orders"].items()},
        "moves": {position_id: level(wanted) for position_id, wanted in stored["moves"].items() if wanted},
    }


def _equity_so_far(snapshots: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Peak and deepest fall, of several equal ones the last peak and the first fall."""
    peak, peak_at_ns, drawdown, deepest = None, 0, None, Fraction(-1)
    for row in sorted(snapshots, key=lambda each: each["number"]):
        equity, at_ns = row["equity"], row["time_ns"]
        if equity is None:
            continue
        if peak is None or equity >= peak:
            peak, peak_at_ns = equity, at_ns
        if peak > 0 and (depth := 1 - Fraction(equity) / Fraction(peak)) > deepest:
            deepest = depth
            drawdown = {
                "peak": str(peak),
                "peak_at_ns": peak_at_ns,
                "trough": str(equity),
                "trough_at_ns": at_ns,
            }
    return {"peak": None if peak is None else str(peak), "peak_at_ns": peak_at_ns, "drawdown": drawdown}


def protection_parts(desk: Mapping[str, Any]) -> PartRows:
    """How positions are protected, and the prices that were known."""
    stored = desk["protections"]
    for number, protection in enumerate(stored["protections"], 1):
        yield ("execution.protection", protection["position_id"]), _protection(protection, number)
    for symbol, fraction in stored["watch"]["atr"].items():
        yield ("execution.atr", symbol), fraction
    count, total_ns, longest_ns = stored["delays"]
    yield (
        ("execution.protection_totals", ""),
        {
            "begun": desk["counters"]["pos"],
            "sent": stored["orders"]["counters"],
            "delays": {"count": count, "total_ns": int(total_ns), "longest_ns": int(longest_ns)},
        },
    )
    for symbol, (bid, ask, last, at_ns) in desk["quotes"].items():
        yield ("execution.quote", symbol), {"bid": bid, "ask": ask, "last": last, "at_ns": int(at_ns)}


def _protection(stored: Mapping[str, Any], number: int) -> dict[str, Any]:
    times = ("move_at_ns", "cancel_at_ns", "opened_at_ns", "unprotected_since_ns", "owing_since_ns")
    return {
        **stored,
        **{name: time(stored[name]) for name in times},
        "number": number,
        "wanted": stored["wanted"] and level(stored["wanted"]),
        "entry": _LEGS[stored["entry"]],
        "stage": _stage(stored["stage"]),
        "reduction": stored["reduction"] and _reduction(stored["reduction"]),
    }


def level(stored: Sequence[str]) -> dict[str, Any]:
    trigger, reason = stored
    return {"trigger": trigger, "reason": reason}


def _stage(stored: Sequence[Any]) -> dict[str, Any]:
    match stored:
        case ["entering" | "closed" as kind]:
            return {"type": kind}
        case ["unguarded"]:
            return {"type": "unprotected"}
        case ["protecting", stop_id, quantity, stands]:
            return {"type": "pending_stop", "stop_id": stop_id, "quantity": quantity, "level": level(stands)}
        case ["protected", stop_id, covered, stands, asked]:
            there = {"stop_id": stop_id, "covered": covered, "level": level(stands)}
            return {"type": "protected", **there, "asked": asked and _amendment(*asked)}
        case ["leaving", reason, stop_id, leg]:
            return {"type": "exiting", "reason": reason, "stop_id": stop_id, "stop": _LEGS[leg]}
        case ["selling", reason, exit_id, retry_at_ns, failures]:
            again = {"retry_at_ns": int(retry_at_ns), "failures": failures}
            return {"type": "selling", "reason": reason, "exit_id": exit_id, **again}
        case _:
            raise ValueError(f"form 2 has no stage of a protection like {stored!r}")


def _amendment(kind: str, wanted: Any) -> dict[str, Any]:
    return {"type": kind, "quantity": wanted} if kind == "resize" else {"type": kind, "level": level(wanted)}


def _reduction(stored: Sequence[Any]) -> dict[str, Any]:
    reason, remaining, base, keep, exit_id, retry_at_ns, failures = stored
    return {
        "reason": reason,
        "remaining": remaining,
        "base": base,
        "keep": keep,
        "exit_id": exit_id,
        "retry_at_ns": int(retry_at_ns),
        "failures": failures,
    }


def hodl_parts(stored: Mapping[str, Any] | None) -> PartRows:
    """None: the session keeps no bag."""
    if stored is None:
        return
    till, buyer = stored["till"], stored["buyer"]
    yield (
        ("execution.hodl", ""),
        {
            "allocation": {
                "balances": {
                    asset: {"quantity": quantity, "cost": cost, "pending": pending}
                    for asset, (quantity, cost, pending) in stored["pots"].items()
                },
                "mark": till["mark"],
                "uncounted": [
                    {"position_id": position_id, "quote": quote, "realised": realised, "realised_usd": usd}
                    for position_id, quote, realised, usd in till["closed"]
                ],
                "due": [{"position_id": position_id, "amount": usd} for position_id, usd in till["owed"]],
            },
            "purchases": {
                "sent": buyer["sent"],
                "under_way": {asset: _purchase(order) for asset, order in buyer["under_way"].items()},
                "pauses": {
                    asset: {"failures": failures, "until_ns": int(until_ns)}
                    for asset, (failures, until_ns) in buyer["pauses"].items()
                },
            },
            "waiting": stored["told"],
            "valued_day": stored["valued_day"],
            "due_ns": time(stored["due_ns"]),
        },
    )


def _purchase(stored: Mapping[str, Any]) -> dict[str, Any]:
    asked = {name: stored["request"][name] for name in ("client_order_id", "symbol", "quantity")}
    return {**asked, **without("request", stored), "sent_at_ns": int(stored["sent_at_ns"])}
