"""Rounds: one question to some models, one deadline. They leave through the runner, replies come back as inputs.

Everything is in market time, and a reply is taken when its time has come, not when it was delivered: a session that is
given the same replies at the same times does the same again. Open rounds are state; after a restart they are asked
again, under the same request ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from triplegain.decision.stored_reply import reply_from_json, reply_to_json
from triplegain.domain.clock import NEVER
from triplegain.domain.money import text
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelReply
from triplegain.llm.request import Prompt, Tool

#: Rounds that are over are remembered, so that a reply that comes too late is still put down for what it was.
_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Round:
    """`kind` names the typed answer, `subject` is a symbol or an asset, `prompts` goes by model.

    `price` is the snapshot's mark; `notes` is what finishing the round needs besides, as JSON.
    """

    round_id: str
    kind: str
    subject: str
    prompts: Mapping[str, Prompt]
    asked_at_ns: int
    deadline_ns: int
    echo: Mapping[str, str] = field(default_factory=dict)
    tools: frozenset[Tool] = frozenset()
    snapshot_hash: str = ""
    price: Decimal | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    def request_id(self, model: str) -> str:
        return f"{self.round_id}/{model}"


@dataclass(frozen=True, slots=True)
class FinishedRound:
    """Every model has a reply: its own, or a time-out. In the order of the prompts.

    `unasked`: models nobody carried the question to in this run, so that their silence says nothing about them.
    """

    round: Round
    replies: Mapping[str, ModelReply]
    unasked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer to a round that was over. It is put down and changes nothing."""

    round: Round
    model: str
    answer: ModelAnswer


class Rounds:
    """The open rounds of a session."""

    def __init__(self) -> None:
        self._open: dict[str, Round] = {}
        self._replies: dict[str, dict[str, ModelReply]] = {}
        self._arriving: list[tuple[int, str, str, ModelReply]] = []
        self._over: dict[str, Round] = {}
        self._unasked: list[Round] = []
        self._counters: dict[str, int] = {}
        self.due_ns = NEVER

    def next_id(self, kind: str) -> str:
        """A name no other round of this session has."""
        self._counters[kind] = self._counters.get(kind, 0) + 1
        return f"{kind}-{self._counters[kind]}"

    def open(self, opened: Round) -> None:
        self._open[opened.round_id] = opened
        self._replies[opened.round_id] = {}
        self._unasked.append(opened)
        self._plan()

    def is_open(self, kind: str, subject: str) -> bool:
        return any(each.kind == kind and each.subject == subject for each in self._open.values())

    def get(self, round_id: str) -> Round | None:
        """An open round or one of the last that are over."""
        return self._open.get(round_id) or self._over.get(round_id)

    @property
    def has_unasked(self) -> bool:
        return bool(self._unasked)

    def take_unasked(self) -> tuple[Round, ...]:
        """Rounds nobody has been asked yet, in this run."""
        unasked = tuple(self._unasked)
        self._unasked.clear()
        return unasked

    def deliver(self, round_id: str, model: str, reply: ModelReply, due_ns: int) -> None:
        """A reply that arrives at `due_ns`. One for an unknown round is dropped: it was asked by another life."""
        if self.get(round_id) is None:
            return
        self._arriving.append((due_ns, round_id, model, reply))
        self._arriving.sort(key=lambda arrival: arrival[:3])
        self._plan()

    def collect(self, now_ns: int) -> list[FinishedRound | LateAnswer]:
        """Take what has arrived by now and close what is complete or past its deadline, in order of time."""
        done: list[FinishedRound | LateAnswer] = []
        while self.due_ns <= now_ns:
            time_ns = self.due_ns
            while self._arriving and self._arriving[0][0] <= time_ns:
                _, round_id, model, reply = self._arriving.pop(0)
                late = self._arrived(round_id, model, reply)
                if late is not None:
                    done.append(late)
            for opened in tuple(self._open.values()):
                complete = len(self._replies[opened.round_id]) == len(opened.prompts)
                if complete or opened.deadline_ns <= time_ns:
                    done.append(self._close(opened))
            self._plan()
        return done

    def _arrived(self, round_id: str, model: str, reply: ModelReply) -> LateAnswer | None:
        opened = self._open.get(round_id)
        if opened is not None and model in opened.prompts:
            self._replies[round_id].setdefault(model, reply)
            return None
        over = self._over.get(round_id)
        return LateAnswer(over, model, reply) if over is not None and isinstance(reply, ModelAnswer) else None

    def _close(self, opened: Round) -> FinishedRound:
        del self._open[opened.round_id]
        self._over[opened.round_id] = opened
        while len(self._over) > _REMEMBERED:
            del self._over[next(iter(self._over))]
        replies = self._replies.pop(opened.round_id)
        late = [each for each in self._unasked if each.round_id == opened.round_id]
        for each in late:
            # Time has passed it by with nobody there to ask: now an answer would be of no use.
            self._unasked.remove(each)
        unasked = frozenset(model for each in late for model in each.prompts if model not in replies)
        for model in opened.prompts:
            replies.setdefault(model, _nothing(opened, asked=model not in unasked))
        return FinishedRound(opened, {model: replies[model] for model in opened.prompts}, unasked)

    def _plan(self) -> None:
        arriving = self._arriving[0][0] if self._arriving else NEVER
        self.due_ns = min([arriving, *(opened.deadline_ns for opened in self._open.values())])

    def state(self) -> dict[str, Any]:
        return {
            "open": [_round_to_json(each) for each in self._open.values()],
            "replies": {
                round_id: {model: reply_to_json(reply) for model, reply in replies.items()}
                for round_id, replies in self._replies.items()
            },
            "arriving": [
                [str(due_ns), round_id, model, reply_to_json(reply)]
                for due_ns, round_id, model, reply in self._arriving
            ],
            "counters": dict(self._counters),
        }

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Go on; models whose reply is not among those stored are asked again."""
        rounds = [_round_from_json(each) for each in stored["open"]]
        self._open = {each.round_id: each for each in rounds}
        self._replies = {
            round_id: {model: reply_from_json(reply) for model, reply in replies.items()}
            for round_id, replies in stored["replies"].items()
        }
        self._arriving = [
            (int(due_ns), round_id, model, reply_from_json(reply))
            for due_ns, round_id, model, reply in stored["arriving"]
        ]
        self._counters = dict(stored["counters"])
        here = {(round_id, model) for _, round_id, model, _ in self._arriving}
        for each in rounds:
            known = self._replies[each.round_id]
            asked = {m: p for m, p in each.prompts.items() if m not in known and (each.round_id, m) not in here}
            if asked:
                self._unasked.append(replace(each, prompts=asked))
        self._plan()


def _nothing(opened: Round, *, asked: bool) -> ModelFailure:
    """What stands in for a reply that did not come in time."""
    if not asked:
        return ModelFailure(FailureKind.UNAVAILABLE, "not asked: its time was over before anybody could")
    seconds = (opened.deadline_ns - opened.asked_at_ns) / 1e9
    return ModelFailure(FailureKind.TIMEOUT, f"no answer within {seconds:g} s")


def _round_to_json(opened: Round) -> dict[str, Any]:
    # Most models are asked in the same words, which are long and stored with every commit: each once.
    texts = list(dict.fromkeys(opened.prompts.values()))
    return {
        "round_id": opened.round_id,
        "kind": opened.kind,
        "subject": opened.subject,
        "texts": [[prompt.system, prompt.user] for prompt in texts],
        "prompts": {model: texts.index(prompt) for model, prompt in opened.prompts.items()},
        "asked_at_ns": str(opened.asked_at_ns),
        "deadline_ns": str(opened.deadline_ns),
        "echo": dict(opened.echo),
        "tools": sorted(opened.tools),
        "snapshot_hash": opened.snapshot_hash,
        "price": None if opened.price is None else text(opened.price),
        "notes": dict(opened.notes),
    }


def _round_from_json(stored: Mapping[str, Any]) -> Round:
    texts = [Prompt(system, user) for system, user in stored["texts"]]
    return Round(
        round_id=stored["round_id"],
        kind=stored["kind"],
        subject=stored["subject"],
        prompts={model: texts[number] for model, number in stored["prompts"].items()},
        asked_at_ns=int(stored["asked_at_ns"]),
        deadline_ns=int(stored["deadline_ns"]),
        echo=dict(stored["echo"]),
        tools=frozenset(Tool(word) for word in stored["tools"]),
        snapshot_hash=stored["snapshot_hash"],
        price=None if stored["price"] is None else Decimal(stored["price"]),
        notes=dict(stored["notes"]),
    )
