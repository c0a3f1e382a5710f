"""From form 2, one JSON document beside the session, to form 3, a part for each thing that changes by itself.

Form 2 wrote times and large integers as text, records as lists of fields, and said nowhere who wanted an order. Nothing
of it is lost: indicators stand in neither form, they follow from the feed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from triplegain.storage.forms.conversion import Kept
from triplegain.storage.forms.form2_decision import decision_parts
from triplegain.storage.forms.form2_execution import (
    hodl_parts,
    order_parts,
    portfolio_parts,
    position_parts,
    protection_parts,
)
from triplegain.storage.forms.form2_orders import exchange_parts, ledger_parts, request
from triplegain.storage.forms.form2_words import Parts, amount, event, timed, without

#: Whose rows say what the document does not.
TABLES = ("paper_decisions", "paper_portfolio_snapshots", "paper_trades")

_WORDS = (
    "this session was left by an earlier version of TripleGain and goes on with all it had: orders, positions, "
    "balances, protection, risk and questions to models"
)


def convert(kept: Kept) -> Kept:
    """What form 3 would have stored. An alert tells that it was done."""
    # What its trader keeps is as the trader writes it.
    state = timed(kept.state) | {"trader": kept.state["trader"]}
    numbered = {"number": state["record"]["mind"]["alerts"] + 1, "time_ns": state["now_ns"]}
    alert = {**numbered, "kind": "session_converted", "symbol": "", "position_id": "", "message": _WORDS}
    parts: Parts = {}
    for each in (
        _session(state, int(kept.session["settings"]["candle_ns"])),
        _risk(state.get("risk")),
        ledger_parts(state["wallet"]),
        exchange_parts(state["exchange"]),
        portfolio_parts(state["executor"]["portfolio"], kept.rows["paper_portfolio_snapshots"]),
        order_parts(state),
        position_parts(state, kept.rows["paper_trades"]),
        protection_parts(state["desk"]),
        hodl_parts(state["aftermath"]["hodl"]),
        decision_parts(state, kept.rows["paper_decisions"]),
    ):
        parts.update(each)
    return replace(kept, state={}, parts=parts, alerts=(*kept.alerts, alert))


def _session(state: Mapping[str, Any], candle_ns: int) -> Iterator[tuple[tuple[str, str], Any]]:
    yield ("session.standing", ""), {name: state[name] for name in ("now_ns", "opened", "paused", "halted")}
    yield ("session.watch", ""), {name: int(at_ns) for name, at_ns in state["watch"].items()}
    for stored in state["visible"]:
        answer = event(stored, request)
        yield ("session.event", str(answer["sequence"])), answer
    record = state["record"]
    numbers = {
        **record["mind"],
        "alerts": record["mind"]["alerts"] + 1,
        "decisions": state["decisions"]["number"],
        "portfolio_snapshots": record["snapshots"],
        "position_snapshots": record["position_snapshots"],
    }
    yield ("session.record", ""), {"snapshot_due_ns": record["snapshot_due_ns"], "numbers": numbers}
    if trader := state["trader"]:
        yield ("session.trader_due", ""), trader["due_ns"]
        for symbol, agent in trader["agents"].items():
            told_ns = trader.get("told_ns", {}).get(symbol, 0)
            candles = _candles(symbol, timed(trader["builders"][symbol]), candle_ns)
            yield ("session.trader", symbol), {"told_ns": told_ns, "candles": candles, "agent": agent}


def _candles(symbol: str, built: Mapping[str, Any], length_ns: int) -> dict[str, Any]:
    """Of the last candle only its time and its close were kept; no more of it matters."""
    last = built["last"]
    if last is not None:
        prices = dict.fromkeys(("open", "high", "low", "close"), int(last["close"]))
        last = without("close", last) | prices | {"symbol": symbol, "length_ns": length_ns, "volume": 0, "trades": 0}
    return {**built, "prices": built["prices"] and [int(price) for price in built["prices"]], "last": last}


def _risk(state: Mapping[str, Any] | None) -> Iterator[tuple[tuple[str, str], Any]]:
    """A state that is missing stays so: then trading halts until somebody has looked."""
    if state is None:
        return
    try:
        yield from _whole_risk(state)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        # Damaged: what reads it halts until somebody has looked.
        yield ("risk.state", ""), dict(state)


def _whole_risk(state: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    equities = ("peak_equity", "day_equity", "week_equity", "equity")
    whole = {
        **state,
        **{name: amount(state[name]) for name in equities},
        "halts": [[kind, until and int(until), why] for kind, until, why in state["halts"]],
        "cooldowns": [[kind, symbol, int(until)] for kind, symbol, until in state["cooldowns"]],
        "markets": {},
    }
    yield ("risk.state", ""), whole
    for symbol, memory in state["markets"].items():
        prices = [[int(start), int(last), amount(low), amount(high)] for start, last, low, high in memory["prices"]]
        yield ("risk.market", symbol), {**memory, "prices": prices}
