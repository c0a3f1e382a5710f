"""One send, paid for and put down: money set aside, question sent, answer judged, cost settled, call stored."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Protocol

from msgspec import structs
from pydantic import BaseModel, ValidationError

from triplegain.domain import ids
from triplegain.domain.agent_records import ModelCall, OverBudget
from triplegain.domain.clock import Clock
from triplegain.domain.outside import NAME_MAX, Redactor, tame, tame_lines, tame_tree
from triplegain.domain.values import count_within
from triplegain.llm.reply import FailureKind, ModelFailure, ModelRequest
from triplegain.llm.spec import Provider
from triplegain.llm.wire import Finish, Question, Wire, WireAnswer, WireError, canonical


class Spending(Protocol):
    """The cost ledger. A reservation is on disk before the call leaves; one that was never settled counts in full."""

    async def reserve(self, call: ModelCall) -> OverBudget | None:
        """Set `call.reserved_usd` aside for today (UTC, wall time of `call.started_at_ns`); None: go ahead."""
        ...

    async def settle(self, call: ModelCall) -> None:
        """The call is over: `call.cost_usd` takes the place of the reservation, and the call itself is stored."""
        ...


_FAULTS_MAX = 5
_REASON_LENGTH_MAX = 500


def check_answer(text: str, answer: type[BaseModel], echo: Mapping[str, str]) -> dict[str, Any] | ModelFailure:
    """The answer as plain JSON values, or why it does not count: in words that may be told to the model that gave it.

    It must be one JSON object and nothing around it, have exactly the fields of `answer` in their own types, only
    finite numbers, and repeat `echo`. Numbers in quotes, prose, code fences and repeated keys are faults.
    """
    try:
        raw = json.loads(text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        return ModelFailure(FailureKind.INVALID, f"not one JSON object: {error}"[:_REASON_LENGTH_MAX])
    if not isinstance(raw, dict):
        return ModelFailure(FailureKind.INVALID, "not a JSON object")
    try:
        value = answer.model_validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        return ModelFailure(FailureKind.INVALID, _explain(error))
    plain = value.model_dump(mode="json")
    for name, expected in echo.items():
        if plain.get(name) != expected:
            return ModelFailure(FailureKind.WRONG_ECHO, f"{name} does not repeat what was asked about")
    return plain


def _finite(word: str) -> float:
    """What JSON says is a number, and Python's constants beside it."""
    if not math.isfinite(value := float(word)):
        raise ValueError(f"{word} is not a finite number")
    return value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _explain(error: ValidationError) -> str:
    """The first faults by field, without the values: what a model wrote is not repeated to it as our words."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    words = [f"{'.'.join(map(str, fault['loc'])) or 'answer'}: {fault['msg']}" for fault in faults[:_FAULTS_MAX]]
    more = len(faults) - len(words)
    return ("; ".join(words) + (f"; and {more} more" if more > 0 else ""))[:_REASON_LENGTH_MAX]


ANSWERED = "answered"
_UNDER_WAY = "under way"
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """`value` None: it failed, `kind` and `reason` say how. `text` is what the model wrote."""

    value: dict[str, Any] | None
    kind: FailureKind | None = None
    reason: str = ""
    text: str = ""
    model_id: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = _ZERO
    retry_after_s: float | None = None


@dataclass(eq=False, slots=True)
class Attempts:
    """Sends of one process. Raises only what the cost ledger raises: without it nothing is sent."""

    _wires: Mapping[Provider, Wire]
    _spending: Spending
    _clock: Clock
    _redactor: Redactor
    _answer_chars_max: int
    _settling: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def make(
        self, request: ModelRequest, question: Question, prompt_hash: str, deadline: float, number: int
    ) -> CallOutcome:
        """Send once, as the `number`th send of this request. `deadline` is a time of the event loop."""
        reserved = question.cost_usd_max
        if reserved is None:
            return CallOutcome(None, FailureKind.UNAVAILABLE, f"nobody knows what {question.spec.model} costs")
        call = self._call(request, question, prompt_hash, reserved, number)
        refused = await self._reserve(call)
        if refused is not None:
            outcome = CallOutcome(None, FailureKind.BUDGET, refused.reason)
            return await self._put_down(structs.replace(call, reserved_usd=_ZERO, attempts=number - 1), outcome, 0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            outcome = await self._send(request, question, deadline, reserved)
        except asyncio.CancelledError:
            given_up = CallOutcome(None, FailureKind.UNAVAILABLE, "given up before it was answered", cost_usd=reserved)
            await self._put_down(call, given_up, _elapsed_ns(began))
            raise
        return await self._put_down(call, outcome, _elapsed_ns(began))

    async def _reserve(self, call: ModelCall) -> OverBudget | None:
        """Once begun it is done. Where nobody waits any more, what was set aside is given back: nothing was sent."""
        reserving = asyncio.ensure_future(self._spending.reserve(call))
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:
            if await reserving is None:
                given_up = CallOutcome(None, FailureKind.UNAVAILABLE, "given up before it was sent")
                await self._put_down(call, given_up, 0)
            raise

    async def _send(self, request: ModelRequest, question: Question, deadline: float, reserved: Decimal) -> CallOutcome:
        spec = question.spec
        time_left_s = deadline - asyncio.get_running_loop().time()
        in_time = f"{spec.provider} did not answer within {request.timeout_s:g} s"
        if time_left_s <= 0:
            return CallOutcome(None, FailureKind.TIMEOUT, in_time)
        try:
            async with asyncio.timeout_at(deadline):
                answer = await self._wires[spec.provider].ask(question, time_left_s)
            return self._judged(request, question, _believable(answer, question), reserved)
        except TimeoutError:
            # It may have been read, and be charged for: nobody can say, so it counts in full.
            return CallOutcome(None, FailureKind.TIMEOUT, in_time, cost_usd=reserved)
        except WireError as error:
            cost = reserved if error.charged else _ZERO
            return CallOutcome(
                None, error.kind, str(error), error.response, cost_usd=cost, retry_after_s=error.retry_after_s
            )
        # The boundary to a server: whatever breaks on what it sent is its failure, and is charged for.
        except Exception as error:
            reason = f"{spec.provider} sent something that is no response ({type(error).__name__})"
            return CallOutcome(None, FailureKind.SERVER_ERROR, reason, cost_usd=reserved)

    def _judged(self, request: ModelRequest, question: Question, answer: WireAnswer, reserved: Decimal) -> CallOutcome:
        spec, cost = question.spec, None
        if answer.tokens_in is not None and answer.tokens_out is not None:
            cost = spec.cost_usd(answer.tokens_in, answer.tokens_out, answer.searches)
        told = CallOutcome(
            None,
            text=answer.text,
            model_id=answer.model_id,
            tokens_in=answer.tokens_in or 0,
            tokens_out=answer.tokens_out or 0,
            cost_usd=reserved if cost is None else cost,
        )
        if answer.finish is Finish.REFUSAL:
            return replace(told, kind=FailureKind.REFUSAL, reason="the model refuses to answer")
        if answer.finish is Finish.LENGTH:
            reason = f"the answer breaks off after {spec.max_output_tokens} tokens (max_output_tokens)"
            return replace(told, kind=FailureKind.TRUNCATED, reason=reason)
        if not answer.text.strip():
            return replace(told, kind=FailureKind.EMPTY, reason="the answer is empty")
        if len(answer.text) > self._answer_chars_max:
            reason = f"the answer has {len(answer.text):,} characters"
            return replace(told, kind=FailureKind.OVERSIZED, reason=reason)
        checked = check_answer(answer.text, request.answer, request.echo)
        if isinstance(checked, ModelFailure):
            return replace(told, kind=checked.kind, reason=checked.reason)
        return replace(told, value=checked)

    def _call(
        self, request: ModelRequest, question: Question, prompt_hash: str, reserved: Decimal, number: int
    ) -> ModelCall:
        spec = question.spec
        asked = canonical(request, spec)
        asked["messages"] += [
            {"role": "model" if turn.by_model else "user", "text": turn.text} for turn in question.turns[1:]
        ]
        return ModelCall(
            call_id=ids.request_id(),
            session_id=request.session_id,
            request_id=request.request_id,
            agent=request.agent,
            provider=spec.provider.value,
            model=spec.name,
            model_id=spec.model,
            status=_UNDER_WAY,
            reason="",
            prompt_hash=prompt_hash,
            request=self._redactor.tree(asked),
            response="",
            latency_ns=0,
            tokens_in=0,
            tokens_out=0,
            reserved_usd=reserved,
            cost_usd=_ZERO,
            attempts=number,
            asked_at_ns=request.asked_at_ns,
            started_at_ns=self._clock.now_ns(),
        )

    async def _put_down(self, call: ModelCall, outcome: CallOutcome, latency_ns: int) -> CallOutcome:
        """Settle and store; once begun it is done, even if nobody waits for it any more."""
        outcome = self._safe(outcome)
        over = structs.replace(
            call,
            model_id=outcome.model_id or call.model_id,
            status=ANSWERED if outcome.kind is None else outcome.kind.value,
            reason=outcome.reason,
            response=outcome.text,
            latency_ns=latency_ns,
            tokens_in=outcome.tokens_in,
            tokens_out=outcome.tokens_out,
            cost_usd=outcome.cost_usd,
        )
        settling = asyncio.ensure_future(self._spending.settle(over))
        self._settling.add(settling)
        settling.add_done_callback(self._settling.discard)
        await asyncio.shield(settling)
        return outcome

    def _safe(self, outcome: CallOutcome) -> CallOutcome:
        """Here words of providers and models enter: cut, tame and without our keys, wherever they go from here."""
        own = self._redactor
        return replace(
            outcome,
            value=None if outcome.value is None else own.tree(tame_tree(outcome.value)),
            reason=own.text(tame(outcome.reason, _REASON_LENGTH_MAX)),
            text=own.text(tame_lines(outcome.text, self._answer_chars_max)),
            model_id=own.text(tame(outcome.model_id, NAME_MAX)),
        )

    async def aclose(self) -> None:
        """Wait for what is being settled."""
        await asyncio.gather(*self._settling, return_exceptions=True)


def _believable(answer: WireAnswer, question: Question) -> WireAnswer:
    """What this question can have led to: a figure beyond that is not known, and then the reservation is what it cost.

    No more was read than `charged_tokens_max`, no more written or searched than was allowed.
    """
    searches = count_within(answer.searches, question.searches_max)
    tokens_in = count_within(answer.tokens_in, question.charged_tokens_max)
    tokens_out = count_within(answer.tokens_out, question.spec.max_output_tokens)
    if searches is None:
        tokens_in = tokens_out = None
    return replace(answer, tokens_in=tokens_in, tokens_out=tokens_out, searches=searches or 0)


def _elapsed_ns(began: float) -> int:
    return round((asyncio.get_running_loop().time() - began) * 1e9)
