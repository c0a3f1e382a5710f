"""Agents of a session of form 2: what they said, what they were asked, and what is still to be done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from triplegain.storage.forms.form2_words import PartRows, time, without

_OUTCOMES = ("sent", "refused", "held", "abstained")


def decision_parts(state: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]]) -> PartRows:
    """`decisions` are the rows of all that were put down; every refusal was."""
    mind, desk = state["mind"], state["decisions"]
    by_risk = sum(row["outcome"] == "refused" and "rules" in row["details"] for row in decisions)
    yield (
        ("decision.executor", ""),
        {
            "number": desk["number"],
            "last_words": desk["last_words"],
            "counts": dict(zip(_OUTCOMES, desk["counts"], strict=True)),
            "refused_by_risk": by_risk,
        },
    )
    yield from _opinions(mind["opinions"])
    yield from _rounds(mind["rounds"])
    yield from _voting(mind["voting"])
    tasks = {name: _course(course) for name, course in mind["schedule"]["tasks"].items()}
    yield ("decision.schedule", ""), {"start_ns": time(mind["schedule"]["start_ns"]), "tasks": tasks}
    yield ("decision.slots", ""), mind["slots"]
    courses = {name: {**course, "probed_ns": int(course["probed_ns"])} for name, course in mind["degradation"].items()}
    yield ("decision.degradation", ""), courses
    if mind["rebalance"] is not None:
        yield ("decision.rebalance", ""), _rebalance(mind["rebalance"])
    yield (
        ("decision.engine", ""),
        {
            "running": mind["running"],
            "waiting": mind["waiting"],
            "owed": mind["owed"],
            "ran_ns": int(mind["ran_ns"]),
            "strong_ns": {symbol: int(at_ns) for symbol, at_ns in mind["strong_ns"].items()},
        },
    )


def _opinions(stored: Mapping[str, Any]) -> PartRows:
    regimes = {
        symbol: {**held, "confirmed_at_ns": int(held["confirmed_at_ns"]), "looked_at_ns": int(held["looked_at_ns"])}
        for symbol, held in stored["regimes"].items()
    }
    latest = {
        agent: {subject: [int(at_ns), answer] for subject, (at_ns, answer) in stored[agent].items()}
        for agent in ("technical", "social", "news")
        if stored[agent]
    }
    yield ("decision.opinions", ""), {"regimes": regimes, "latest": latest}


def _rounds(stored: Mapping[str, Any]) -> PartRows:
    arriving = [[int(due_ns), name, model, _reply(reply)] for due_ns, name, model, reply in stored["arriving"]]
    yield (
        ("decision.rounds", ""),
        {
            "counters": stored["counters"],
            "opened": len(stored["open"]),
            "arriving": arriving,
        },
    )
    for number, asked in enumerate(stored["open"], 1):
        texts = [{"system": system, "user": user} for system, user in asked["texts"]]
        times = {"asked_at_ns": int(asked["asked_at_ns"]), "deadline_ns": int(asked["deadline_ns"])}
        opened = {**without("texts", asked), **times, "prompts": {}}
        yield (
            ("decision.round", asked["round_id"]),
            {
                "number": number,
                "round": opened,
                "texts": texts,
                "prompts": list(asked["prompts"].items()),
            },
        )
    for name, replies in stored["replies"].items():
        for model, reply in replies.items():
            whole = {"round_id": name, "model": model, "reply": _reply(reply)}
            yield ("decision.reply", f"{name}/{model}"), whole


def _reply(stored: Mapping[str, Any]) -> dict[str, Any]:
    latency_ns, tokens_in, tokens_out, cost_usd, attempts = stored["usage"]
    usage = {
        "latency_ns": int(latency_ns),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "cost_usd": cost_usd,
        "attempts": attempts,
    }
    return {**stored, "type": "answer" if "value" in stored else "failure", "usage": usage}


def _voting(stored: Mapping[str, Any]) -> PartRows:
    outcomes = stored["outcomes"]
    yield ("decision.votes", ""), {"votes": outcomes["votes"], "abstentions": outcomes["abstentions"]}
    for horizon, votes in outcomes["waiting"].items():
        for due_ns, number, symbol, price, sign, cost in votes:
            yield (
                ("decision.outcome", f"{horizon}/{number}"),
                {
                    "due_ns": int(due_ns),
                    "vote_number": number,
                    "symbol": symbol,
                    "price": price,
                    "sign": sign,
                    "cost": cost,
                },
            )
    waiting = [
        {**trade, "since_ns": int(trade["since_ns"]), "until_ns": int(trade["until_ns"])} for trade in stored["waiting"]
    ]
    yield ("decision.waiting_trades", ""), waiting
    yield ("decision.decided", ""), stored["decided"]


def _course(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "next_ns": int(stored["next_ns"]),
        "asked_ns": time(stored["asked_ns"]),
        "run": stored["run"] and [int(at_ns) for at_ns in stored["run"]],
        "tally": {name: stored[name] for name in ("ran", "forced", "missed", "skipped")},
    }


def _rebalance(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **stored,
        "begun_ns": time(stored["begun_ns"]),
        "until_ns": int(stored["until_ns"]),
        "batches": [
            {**batch, "due_ns": int(batch["due_ns"]), "until_ns": int(batch["until_ns"])} for batch in stored["batches"]
        ],
        "open": list(_rebalance_orders(stored["open"])),
    }


def _rebalance_orders(stored: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for order in stored:
        limit = order["limit"]
        terms = {"kind": "market"} if limit is None else {"kind": "limit", "price": limit, "post_only": False}
        yield {**without("limit", order), "terms": terms, "expires_at_ns": int(order["expires_at_ns"])}
