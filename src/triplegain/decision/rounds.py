"""Rounds: one question to some models, one deadline. They leave through the runner, replies come back as inputs.

Everything is in market time, and a reply is taken when its time has come, not when it was delivered: a session that is
given the same replies at the same times does the same again. Open rounds are state; after a restart they are asked
again, under the same request ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.agents.spec import AgentSpec, Registry
from triplegain.domain.clock import NEVER
from triplegain.domain.parts import Parts
from triplegain.llm.reply import (
    FailureKind,
    ModelAnswer,
    ModelFailure,
    ModelPort,
    ModelReply,
    ModelRequest,
    Prompt,
    Tool,
)

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

    `undispatched`: models nobody carried the question to in this run, so that their silence says nothing about them.
    """

    round: Round
    replies: Mapping[str, ModelReply]
    undispatched: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer to a round that was over. It is put down and changes nothing."""

    round: Round
    model: str
    answer: ModelAnswer


class OpenRound(msgspec.Struct, frozen=True):
    """`number` counts the rounds in the order they were opened. Most models are asked in the same words, which are
    long: each text stands once, and `prompts` says which is whose."""

    number: int
    round: Round
    texts: tuple[Prompt, ...]
    prompts: tuple[tuple[str, int], ...]


class RoundReply(msgspec.Struct, frozen=True):
    """A reply that has come to a round that is open."""

    round_id: str
    model: str
    reply: ModelReply


class RoundsState(msgspec.Struct):
    """`arriving`: when, to which round, from whom, and what."""

    counters: dict[str, int] = {}
    opened: int = 0
    arriving: list[tuple[int, str, str, ModelReply]] = []


class Rounds:
    """The open rounds of a session."""

    def __init__(self) -> None:
        self._open: dict[str, Round] = {}
        self._numbers: dict[str, int] = {}
        self._replies: dict[str, dict[str, ModelReply]] = {}
        self._over: dict[str, Round] = {}
        self._undispatched: list[Round] = []
        self._state = RoundsState()
        self._touch_round: Callable[[str], None] = lambda _: None
        self._touch_reply: Callable[[str], None] = lambda _: None
        self.due_ns = NEVER

    def next_id(self, kind: str) -> str:
        """A name no other round of this session has."""
        self._state.counters[kind] = self._state.counters.get(kind, 0) + 1
        return f"{kind}-{self._state.counters[kind]}"

    def open(self, opened: Round) -> None:
        self._state.opened += 1
        self._open[opened.round_id] = opened
        self._numbers[opened.round_id] = self._state.opened
        self._touch_round(opened.round_id)
        self._replies[opened.round_id] = {}
        self._undispatched.append(opened)
        self._plan()

    def is_open(self, kind: str, subject: str) -> bool:
        return any(each.kind == kind and each.subject == subject for each in self._open.values())

    def get(self, round_id: str) -> Round | None:
        """An open round or one of the last that are over."""
        return self._open.get(round_id) or self._over.get(round_id)

    @property
    def has_undispatched(self) -> bool:
        return bool(self._undispatched)

    def take_undispatched(self) -> tuple[Round, ...]:
        """Rounds nobody has been asked yet, in this run."""
        undispatched = tuple(self._undispatched)
        self._undispatched.clear()
        return undispatched

    def deliver(self, round_id: str, model: str, reply: ModelReply, due_ns: int) -> None:
        """A reply that arrives at `due_ns`. One for an unknown round is dropped: it was asked by another life."""
        if self.get(round_id) is None:
            return
        self._state.arriving.append((due_ns, round_id, model, reply))
        self._state.arriving.sort(key=lambda arrival: arrival[:3])
        self._plan()

    def collect(self, now_ns: int) -> list[FinishedRound | LateAnswer]:
        """Take what has arrived by now and close what is complete or past its deadline, in order of time."""
        done: list[FinishedRound | LateAnswer] = []
        while self.due_ns <= now_ns:
            time_ns = self.due_ns
            while self._state.arriving and self._state.arriving[0][0] <= time_ns:
                _, round_id, model, reply = self._state.arriving.pop(0)
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
            self._touch_reply(opened.request_id(model))
            return None
        over = self._over.get(round_id)
        return LateAnswer(over, model, reply) if over is not None and isinstance(reply, ModelAnswer) else None

    def _close(self, opened: Round) -> FinishedRound:
        del self._open[opened.round_id]
        del self._numbers[opened.round_id]
        self._touch_round(opened.round_id)
        self._over[opened.round_id] = opened
        while len(self._over) > _REMEMBERED:
            del self._over[next(iter(self._over))]
        replies = self._replies.pop(opened.round_id)
        for model in replies:
            self._touch_reply(opened.request_id(model))
        late = [each for each in self._undispatched if each.round_id == opened.round_id]
        for each in late:
            # Time has passed it by with nobody there to ask: now an answer would be of no use.
            self._undispatched.remove(each)
        undispatched = frozenset(model for each in late for model in each.prompts if model not in replies)
        for model in opened.prompts:
            replies.setdefault(model, _nothing(opened, asked=model not in undispatched))
        return FinishedRound(opened, {model: replies[model] for model in opened.prompts}, undispatched)

    def _plan(self) -> None:
        arriving = self._state.arriving[0][0] if self._state.arriving else NEVER
        self.due_ns = min([arriving, *(opened.deadline_ns for opened in self._open.values())])

    def register(self, parts: Parts) -> None:
        """Each open round and each reply to one is a part's row of its own: prompts are long, and never change."""
        parts.held("decision.rounds", RoundsState, self, "_state")
        self._touch_round = parts.keyed(
            "decision.round", OpenRound, self._read_open, self._restore_open, lambda: self._open
        )
        self._touch_reply = parts.keyed(
            "decision.reply", RoundReply, self._read_reply, self._restore_replies, self._reply_keys
        )

    def _reply_keys(self) -> Iterable[str]:
        return (f"{round_id}/{model}" for round_id, replies in self._replies.items() for model in replies)

    def _read_reply(self, request_id: str) -> RoundReply | None:
        round_id, _, model = request_id.partition("/")
        reply = self._replies.get(round_id, {}).get(model)
        return None if reply is None else RoundReply(round_id, model, reply)

    def _read_open(self, round_id: str) -> OpenRound | None:
        opened = self._open.get(round_id)
        if opened is None:
            return None
        texts = tuple(dict.fromkeys(opened.prompts.values()))
        prompts = tuple((model, texts.index(prompt)) for model, prompt in opened.prompts.items())
        return OpenRound(self._numbers[round_id], replace(opened, prompts={}), texts, prompts)

    def _restore_open(self, stored: dict[str, OpenRound]) -> None:
        found = sorted(stored.values(), key=lambda each: each.number)
        self._numbers = {each.round.round_id: each.number for each in found}
        self._open = {
            each.round.round_id: replace(each.round, prompts={model: each.texts[n] for model, n in each.prompts})
            for each in found
        }
        self._replies = {round_id: {} for round_id in self._open}

    def _restore_replies(self, stored: dict[str, RoundReply]) -> None:
        for each in stored.values():
            self._replies[each.round_id][each.model] = each.reply

    def go_on(self) -> None:
        """After a restart: models whose reply is not among those stored are asked again."""
        here = {(round_id, model) for _, round_id, model, _ in self._state.arriving}
        for round_id, opened in self._open.items():
            known = self._replies[round_id]
            asked = {m: p for m, p in opened.prompts.items() if m not in known and (round_id, m) not in here}
            if asked:
                self._undispatched.append(replace(opened, prompts=asked))
        self._plan()


def _nothing(opened: Round, *, asked: bool) -> ModelFailure:
    """What stands in for a reply that did not come in time."""
    if not asked:
        return ModelFailure(FailureKind.UNAVAILABLE, "not asked: its time was over before anybody could")
    seconds = (opened.deadline_ns - opened.asked_at_ns) / 1e9
    return ModelFailure(FailureKind.TIMEOUT, f"no answer within {seconds:g} s")


#: `deliver(round_id, model, reply)`.
Deliver = Callable[[str, str, ModelReply], None]


class RequestDispatcher:
    """Calls under way. Every model of a round is asked at once, and none of them holds up another."""

    def __init__(self, port: ModelPort, agents: Registry, session_id: str, deliver: Deliver) -> None:
        self._port = port
        self._agents = agents
        self._session_id = session_id
        self._deliver = deliver
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        return bool(self._calls)

    def ask(self, rounds: Iterable[Round]) -> None:
        for opened in rounds:
            agent = self._agents.get(opened.kind)
            if agent is None:
                continue
            for model in opened.prompts:
                call = asyncio.get_running_loop().create_task(self._call(opened, agent, model))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)

    async def _call(self, opened: Round, agent: AgentSpec, model: str) -> None:
        request = ModelRequest(
            request_id=opened.request_id(model),
            session_id=self._session_id,
            agent=opened.kind,
            model=model,
            prompt=opened.prompts[model],
            answer=agent.answer,
            timeout_s=(opened.deadline_ns - opened.asked_at_ns) / 1e9,
            echo=opened.echo,
            tools=opened.tools,
            asked_at_ns=opened.asked_at_ns,
        )
        try:
            reply = await self._port.complete(request)
        except Exception as error:
            # The boundary of a task: whatever is wrong with a model is an abstention, and is told.
            reply = ModelFailure(FailureKind.UNAVAILABLE, f"the call failed within: {type(error).__name__}: {error}")
        self._deliver(opened.round_id, model, reply)

    async def wait(self, timeout_s: float) -> None:
        """Until one more call is over, at most so long."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)

    async def aclose(self) -> None:
        """Give up what is under way: open rounds are asked again when the session goes on."""
        calls = tuple(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
