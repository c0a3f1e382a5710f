"""Agents of a session of form 2: what they said, what they were asked, and what is still to be done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from triplegain.storage.forms.form2_words import PartRows, named, without

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
    yield ("decision.schedule", ""), {**mind["schedule"], "tasks": tasks}
    yield ("decision.slots", ""), mind["slots"]
    yield ("decision.degradation", ""), mind["degradation"]
    if mind["rebalance"] is not None:
        yield ("decision.rebalance", ""), _rebalance(mind["rebalance"])
    engine = {name: mind[name] for name in ("running", "waiting", "owed", "ran_ns")}
    strong_ns = {symbol: int(at_ns) for symbol, at_ns in mind["strong_ns"].items()}
    yield ("decision.engine", ""), {**engine, "strong_ns": strong_ns}


def _opinions(stored: Mapping[str, Any]) -> PartRows:
    latest = {
        agent: {subject: [int(at_ns), answer] for subject, (at_ns, answer) in stored[agent].items()}
        for agent in ("technical", "social", "news")
        if stored[agent]
    }
    yield ("decision.opinions", ""), {"regimes": stored["regimes"], "latest": latest}


def _rounds(stored: Mapping[str, Any]) -> PartRows:
    arriving = [[int(due_ns), name, model, _reply(reply)] for due_ns, name, model, reply in stored["arriving"]]
    rounds = {"counters": stored["counters"], "opened": len(stored["open"]), "arriving": arriving}
    yield ("decision.rounds", ""), rounds
    for number, asked in enumerate(stored["open"], 1):
        texts = [named("system user", each) for each in asked["texts"]]
        opened = {**without("texts", asked), "prompts": {}}
        beside = {"number": number, "texts": texts, "prompts": list(asked["prompts"].items())}
        yield ("decision.round", asked["round_id"]), {**beside, "round": opened}
    for name, replies in stored["replies"].items():
        for model, reply in replies.items():
            whole = {"round_id": name, "model": model, "reply": _reply(reply)}
            yield ("decision.reply", f"{name}/{model}"), whole


def _reply(stored: Mapping[str, Any]) -> dict[str, Any]:
    usage = named("latency_ns tokens_in tokens_out cost_usd attempts", stored["usage"])
    return {**stored, "type": "answer" if "value" in stored else "failure", "usage": usage}


def _voting(stored: Mapping[str, Any]) -> PartRows:
    outcomes = stored["outcomes"]
    yield ("decision.votes", ""), {"votes": outcomes["votes"], "abstentions": outcomes["abstentions"]}
    for horizon, votes in outcomes["waiting"].items():
        for values in votes:
            vote = named("due_ns vote_number symbol price sign cost", values)
            yield ("decision.outcome", f"{horizon}/{vote['vote_number']}"), vote
    yield ("decision.waiting_trades", ""), stored["waiting"]
    yield ("decision.decided", ""), stored["decided"]


def _course(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "next_ns": stored["next_ns"],
        "asked_ns": stored["asked_ns"],
        "run": stored["run"] and [int(at_ns) for at_ns in stored["run"]],
        "tally": {name: stored[name] for name in ("ran", "forced", "missed", "skipped")},
    }


def _rebalance(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {**stored, "open": list(_rebalance_orders(stored["open"]))}


def _rebalance_orders(stored: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for order in stored:
        limit = order["limit"]
        terms = {"kind": "market"} if limit is None else {"kind": "limit", "price": limit, "post_only": False}
        yield {**without("limit", order), "terms": terms}
