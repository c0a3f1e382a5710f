"""Orders and positions of a session of form 2, how they are protected, and its hodl bag."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from triplegain.storage.forms.form2_orders import record, request
from triplegain.storage.forms.form2_words import PartRows, amendment, amount, time, without

_LEGS = {
    "sent": "pending_new",
    "live": "working",
    "cancelling": "pending_cancel",
    "triggered": "triggered",
    "over": "done",
}
#: Ids that only the program gave; whatever else began a position was a person's.
_OWN = re.compile(r"(entry|stop|exit)-\d+|hodl-.*")
#: A position whose entry is under way.
_ENTERING: dict[str, Any] = {
    "stop_reason": "stop_loss", "asked": None, "entry_order_number": 0, "opened_by": 0, "opened_at_ns": 0,
    "updated_at_ns": 0, "entry_over": False, "live_exits": [], "bought": "0", "bought_notional": "0", "sold": "0",
    "sold_notional": "0", "fees": "0", "entry_fees": "0", "realised": "0", "realised_usd": "0", "closed_at_ns": None,
    "close_reason": None,
}  # fmt: skip
_DOLLARS = {"USD", "ZUSD", "USDT"}


def portfolio_parts(stored: Mapping[str, Any], snapshots: Sequence[Mapping[str, Any]]) -> PartRows:
    """`snapshots` are the rows of all that were taken of it."""
    wins, losses = stored["direct_results"]
    yield (
        ("execution.portfolio", ""),
        {
            "updated_at_ns": int(stored["updated_at_ns"]),
            **{name: stored[name] for name in ("trade_count", "fees_paid", "fees_usd")},
            "equity_so_far": _equity_so_far(snapshots),
            "direct": {"wins": wins, "losses": losses},
        },
    )
    for symbol, pool in stored["cost_book"].items():
        names = ("quantity", "cost", "realised", "realised_usd", "fees")
        yield ("ledger.cost", symbol), dict(zip(names, pool, strict=True))
    opening = without("prices", stored["opening"])
    if (
        opening["equity"] is None
        and {asset for asset, held in opening["balances"].items() if Decimal(held)} <= _DOLLARS
    ):
        # Dollars need no price.
        opening["equity"] = str(sum(map(Decimal, opening["balances"].values()), Decimal(0)))
    yield ("ledger.opening", ""), {**opening, "time_ns": time(opening["time_ns"])}


def order_parts(state: Mapping[str, Any]) -> PartRows:
    """Orders as the exchange knows them and, where answers are on their way, as we were told of them."""
    present, known = state["executor"]["orders"], state["known_orders"]
    for order in present["open"]:
        yield ("execution.order", str(order["order_number"])), record(order)
    told = {order["order_number"]: order for order in (*known["final"], *known["open"])}
    pending = Counter(answer[4] for answer in _answers(state))
    for number, count in pending.items():
        last = record(told[number]) if number in told else None
        yield ("execution.told_order", str(number)), {"record": last, "pending": count}
    desk, is_over = state["desk"], known["final"]
    yield (
        ("execution.desk", ""),
        {
            "counters": desk["counters"],
            "now_ns": int(desk["now_ns"]),
            "sent": [request(each) for each in desk["free"]["sent"]],
            "allocated": {
                order["request"]["client_order_id"]: order["filled_quantity"]
                for order in is_over
                if order["request"]["purpose"] == "rebalance"
            },
            **({"asked": asked} if (asked := _asked(state)) else {}),
        },
    )


def _asked(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Changes of orders whose answer we do not know, by order: those with an answer on its way, then those on theirs.

    What a protection asks of its own orders is its own to know.
    """
    roles = state["desk"]["protections"]["orders"]["roles"]
    asked: dict[str, list[dict[str, Any]]] = {}
    for kind, *fields in state["visible"]:
        if kind == "OrderAmended":
            name, quantity, price = fields[4], fields[6]["decimal"], fields[7]["decimal"]
            asked.setdefault(name, []).append(amendment(name, quantity, price))
        elif kind == "CommandRefused" and fields[7] is not None:
            asked.setdefault(fields[3], []).append(amendment(*fields[7]["amend"]))
    for _, kind, *what in state["exchange"]["agenda"]:
        if kind == "amend":
            asked.setdefault(what[0], []).append(amendment(*what))
    ours = {name for name, (_, role) in roles.items() if role != "entry"}
    return [change for name, changes in asked.items() if name not in ours for change in changes]


def _answers(state: Mapping[str, Any]) -> list[Any]:
    """Answers on their way that are about an order; a refused command changes none."""
    return [answer for answer in state["visible"] if answer[0] != "CommandRefused"]


def position_parts(state: Mapping[str, Any], fills: Sequence[Mapping[str, Any]]) -> PartRows:
    """Positions and entries under way, as they are and, where answers are on their way, as we were told of them.

    `fills` are the rows of all fills: they say with which answer a position began.
    """
    orders, known = state["executor"]["orders"], state["known_positions"]
    began: dict[int, int] = {}
    for row in fills:
        number, sequence = row["order_number"], row["sequence"]
        began[number] = min(began.get(number, sequence), sequence)
    here = {each["position_id"]: each for each in state["executor"]["positions"]["open"]}
    there = {each["position_id"]: each for each in known["open"]}
    under_way = {each["request"]["client_order_id"] for each in orders["open"]}
    under_way |= {each["client_order_id"] for each in state["desk"]["free"]["sent"]}
    entering = {}
    for each in state["desk"]["protections"]["protections"]:
        name, level_ = each["position_id"], each["wanted"]
        stop, target = known["plans"].get(name, (level_ and level_[0], each["target"]))
        entering[name] = {**_ENTERING, "position_id": name, "symbol": each["symbol"], "stop": stop, "target": target}
        if name not in here and each["entry_id"] in under_way:
            yield ("execution.position", name), entering[name]
    for name, position in here.items():
        yield ("execution.position", name), _position(position, known["moves"].get(name), began)
    results = {name: state["executor"]["positions"][name] for name in ("wins", "losses")}
    yield ("execution.results", ""), results
    owner = {each["order_number"]: each["request"]["position_id"] for part in orders.values() for each in part}
    for name, count in Counter(owner.get(answer[4]) for answer in _answers(state)).items():
        if name is None:
            continue
        told = entering[name] if name in known["plans"] else None
        if name in there:
            told = _position(there[name], known["moves"].get(name), began, is_told=True)
        yield ("execution.told_position", name), {"position": told, "pending": count}


def _position(
    stored: Mapping[str, Any], move: Sequence[str] | None, began: Mapping[int, int], *, is_told: bool = False
) -> dict[str, Any]:
    """`move` is where its stop was asked to stand, until we were told that it does."""
    asked = move if move and (is_told or stored["stop"] != move[0]) else None
    return {
        **stored,
        "asked": asked and level(asked),
        "opened_by": began[stored["entry_order_number"]],
        "opened_at_ns": int(stored["opened_at_ns"]),
        "updated_at_ns": int(stored["updated_at_ns"]),
        "closed_at_ns": None,
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
        yield ("execution.atr", symbol), amount(fraction)
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
        "by_hand": not _OWN.fullmatch(stored["entry_id"]),
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
