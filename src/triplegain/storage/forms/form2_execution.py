"""Orders and positions of a session of form 2, how they are protected, and its hodl bag."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from triplegain.storage.forms.form2_orders import record, request
from triplegain.storage.forms.form2_words import AMENDMENT, PartRows, amount, named, without

_LEGS = {
    "sent": "pending_new",
    "live": "working",
    "cancelling": "pending_cancel",
    "triggered": "triggered",
    "over": "done",
}
_LEVEL = "trigger reason"
_REDUCTION = "reason remaining base keep exit_id retry_at_ns failures"
#: Of each stage of a protection its word in form 3, and its fields in the order in which form 2 listed them.
_STAGES = {
    "entering": ("entering", ""),
    "unguarded": ("unprotected", ""),
    "protecting": ("pending_stop", "stop_id quantity level"),
    "protected": ("protected", "stop_id covered level asked"),
    "leaving": ("exiting", "reason stop_id stop"),
    "selling": ("selling", "reason exit_id retry_at_ns failures"),
    "closed": ("closed", ""),
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
            **{name: stored[name] for name in ("updated_at_ns", "trade_count", "fees_paid", "fees_usd")},
            "equity_so_far": _equity_so_far(snapshots),
            "direct": {"wins": wins, "losses": losses},
        },
    )
    for symbol, pool in stored["cost_book"].items():
        yield ("ledger.cost", symbol), named("quantity cost realised realised_usd fees", pool)
    opening = without("prices", stored["opening"])
    if (
        opening["equity"] is None
        and {asset for asset, held in opening["balances"].items() if Decimal(held)} <= _DOLLARS
    ):
        # Dollars need no price.
        opening["equity"] = str(sum(map(Decimal, opening["balances"].values()), Decimal(0)))
    yield ("ledger.opening", ""), opening


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
            "now_ns": desk["now_ns"],
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
    changes: list[list[Any]] = []
    for kind, *fields in state["visible"]:
        if kind == "OrderAmended":
            changes.append([fields[4], fields[6]["decimal"], fields[7]["decimal"]])
        elif kind == "CommandRefused" and fields[7] is not None:
            changes.append(fields[7]["amend"])
    changes += [what for _, kind, *what in state["exchange"]["agenda"] if kind == "amend"]
    ours = {name for name, (_, role) in roles.items() if role != "entry"}
    # By order, in the order in which the first change of each was asked for.
    order = list(dict.fromkeys(change[0] for change in changes))
    found = sorted(changes, key=lambda change: order.index(change[0]))
    return [named(AMENDMENT, change) for change in found if change[0] not in ours]


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
        "asked": asked and named(_LEVEL, asked),
        "opened_by": began[stored["entry_order_number"]],
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
            drawdown = named("peak peak_at_ns trough trough_at_ns", (str(peak), peak_at_ns, str(equity), at_ns))
    return {"peak": None if peak is None else str(peak), "peak_at_ns": peak_at_ns, "drawdown": drawdown}


def protection_parts(desk: Mapping[str, Any]) -> PartRows:
    """How positions are protected, and the prices that were known."""
    stored = desk["protections"]
    for number, protection in enumerate(stored["protections"], 1):
        yield ("execution.protection", protection["position_id"]), _protection(protection, number)
    for symbol, fraction in stored["watch"]["atr"].items():
        yield ("execution.atr", symbol), amount(fraction)
    begun, sent, delays = desk["counters"]["pos"], stored["orders"]["counters"], stored["delays"]
    totals = {"begun": begun, "sent": sent, "delays": named("count total_ns longest_ns", delays)}
    yield ("execution.protection_totals", ""), totals
    for symbol, quote in desk["quotes"].items():
        yield ("execution.quote", symbol), named("bid ask last at_ns", quote)


def _protection(stored: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {
        **stored,
        "number": number,
        "by_hand": not _OWN.fullmatch(stored["entry_id"]),
        "wanted": stored["wanted"] and named(_LEVEL, stored["wanted"]),
        "entry": _LEGS[stored["entry"]],
        "stage": _stage(stored["stage"]),
        "reduction": stored["reduction"] and named(_REDUCTION, stored["reduction"]),
    }


def _stage(stored: Sequence[Any]) -> dict[str, Any]:
    kind, *values = stored
    word, names = _STAGES[kind]
    stage = {"type": word, **named(names, values)}
    if "level" in stage:
        stage["level"] = named(_LEVEL, stage["level"])
    if "stop" in stage:
        stage["stop"] = _LEGS[stage["stop"]]
    if stage.get("asked"):
        change, wanted = stage["asked"]
        is_size = change == "resize"
        stage["asked"] = {"type": change, **({"quantity": wanted} if is_size else {"level": named(_LEVEL, wanted)})}
    return stage


def hodl_parts(stored: Mapping[str, Any] | None) -> PartRows:
    """None: the session keeps no bag."""
    if stored is None:
        return
    till, buyer = stored["till"], stored["buyer"]
    yield (
        ("execution.hodl", ""),
        {
            "allocation": {
                "balances": {asset: named("quantity cost pending", pot) for asset, pot in stored["pots"].items()},
                "mark": till["mark"],
                "uncounted": [named("position_id quote realised realised_usd", each) for each in till["closed"]],
                "due": [named("position_id amount", each) for each in till["owed"]],
            },
            "purchases": {
                "sent": buyer["sent"],
                "under_way": {asset: _purchase(order) for asset, order in buyer["under_way"].items()},
                "pauses": {asset: named("failures until_ns", pause) for asset, pause in buyer["pauses"].items()},
            },
            "waiting": stored["told"],
            "valued_day": stored["valued_day"],
            "due_ns": stored["due_ns"],
        },
    )


def _purchase(stored: Mapping[str, Any]) -> dict[str, Any]:
    asked = {name: stored["request"][name] for name in ("client_order_id", "symbol", "quantity")}
    return {**asked, **without("request", stored)}
