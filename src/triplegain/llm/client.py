"""The model port in earnest: one question, one deadline, a few sends at most, and always a reply."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from triplegain.domain import ids
from triplegain.domain.clock import SECOND_NS, Clock
from triplegain.domain.outside import Redactor
from triplegain.llm.attempt import Attempts, CallOutcome, Spending
from triplegain.llm.ollama_wire import OllamaWire
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelReply, ModelRequest, Usage
from triplegain.llm.settings import ClientSettings
from triplegain.llm.spec import ModelSpec, Provider
from triplegain.llm.wire import Question, Wire, WireAnswer, fingerprint

if TYPE_CHECKING:
    from triplegain.llm.sdk_models import SdkModels


from collections.abc import Sequence
from dataclasses import astuple, replace
from operator import add

from msgspec import structs

from triplegain.llm.reply import ModelPort


class SdkWire:
    """One HTTP client for all providers. `keys` are what they know us by; no response is longer than `bytes_max`.

    pydantic-ai is used as a client and nothing else: one message list in, one response out; no agent, no loop, no
    retry. Importing it takes seconds, so it is imported by `load`, in a thread beside the event loop.
    """

    def __init__(self, keys: Mapping[Provider, str], bytes_max: int) -> None:
        self._keys = keys
        self._bytes_max = bytes_max
        self._models: SdkModels | None = None
        self._loading = threading.Lock()

    def load(self, specs: Iterable[ModelSpec]) -> SdkModels:
        """The clients of these models, imported if this is the first time. Any thread may call it."""
        from triplegain.llm.sdk_models import SdkModels

        with self._loading:
            models = self._models or SdkModels(self._keys, self._bytes_max)
            models.prepare(specs)
            self._models = models
        return models

    async def ask(self, question: Question, time_left_s: float) -> WireAnswer:
        models = self._models
        if models is None:
            models = await asyncio.to_thread(self.load, [question.spec])
        return await models.ask(question, time_left_s)

    async def aclose(self) -> None:
        if self._models is not None:
            await self._models.aclose()


#: Failures that say something about all models of a provider, not about one.
_OF_PROVIDER = frozenset(
    {FailureKind.TIMEOUT, FailureKind.CONNECTION, FailureKind.RATE_LIMITED, FailureKind.SERVER_ERROR}
)
#: Nothing was sent: it says nothing about anybody.
_OF_NOBODY = frozenset({FailureKind.BUDGET, FailureKind.BREAKER_OPEN, FailureKind.UNAVAILABLE})


@dataclass(slots=True)
class CircuitBreaker:
    """Closed, open until a time, or half open: one call is on probation. Times are nanoseconds of one clock."""

    _failures_max: int
    _open_ns: int
    _failures: int = 0
    _closes_at_ns: int | None = None
    _on_probation: bool = False

    def waits_ns(self, now_ns: int) -> int:
        """For how long no call may pass; 0: one may. A call on probation makes the others wait for its end."""
        if self._closes_at_ns is None:
            return 0
        # A clock that was set back keeps nobody out for longer.
        self._closes_at_ns = min(self._closes_at_ns, now_ns + self._open_ns)
        return max(self._closes_at_ns - now_ns, 1 if self._on_probation else 0)

    def begin(self) -> None:
        """A call passes."""
        self._on_probation = self._closes_at_ns is not None

    def succeeded(self) -> None:
        self._failures, self._closes_at_ns, self._on_probation = 0, None, False

    def failed(self, now_ns: int) -> None:
        self._failures += 1
        if self._on_probation or self._failures >= self._failures_max:
            self._closes_at_ns = now_ns + self._open_ns
        self._on_probation = False

    def ended(self) -> None:
        """The call that passed says nothing: it never left, or was given up."""
        self._on_probation = False


class Breakers:
    """One for each provider and one for each model."""

    def __init__(self, failures_max: int, open_s: int) -> None:
        self._failures_max = failures_max
        self._open_ns = open_s * SECOND_NS
        self._breakers: dict[str, CircuitBreaker] = {}

    def refusal(self, spec: ModelSpec, now_ns: int) -> str:
        """Why no call to this model may leave now; empty: it may, and has begun."""
        for name in (spec.provider.value, f"model {spec.name}"):
            waits_ns = self._of(name).waits_ns(now_ns)
            if waits_ns:
                seconds = -(-waits_ns // SECOND_NS)
                return f"{name} has failed {self._failures_max} times in a row; it is asked again in {seconds} s"
        self._of(spec.provider.value).begin()
        self._of(f"model {spec.name}").begin()
        return ""

    def ended(self, spec: ModelSpec, failure: FailureKind | None, now_ns: int) -> None:
        """A call that had begun has ended: with an answer (None) or a failure."""
        # Whoever sends a bad answer can be reached.
        blamed = {spec.provider.value: failure in _OF_PROVIDER, f"model {spec.name}": failure is not None}
        for name, has_failed in blamed.items():
            breaker = self._of(name)
            if failure in _OF_NOBODY:
                breaker.ended()
            elif has_failed:
                breaker.failed(now_ns)
            else:
                breaker.succeeded()

    def _of(self, name: str) -> CircuitBreaker:
        return self._breakers.setdefault(name, CircuitBreaker(self._failures_max, self._open_ns))


#: What may be better a moment later.
_PASSING = frozenset({FailureKind.RATE_LIMITED, FailureKind.SERVER_ERROR, FailureKind.CONNECTION})


class ModelClient:
    """Asks the models of `specs`. Implements `ModelPort`; lives in one event loop and ends with `aclose`.

    A question is sent once more after a failure that may pass, and once more with the fault after an answer that is
    not valid: three sends at most, all before one deadline, each with its own reservation. `complete` always returns a
    reply, whatever was sent; it raises only what the cost ledger raises that cannot be written. `secrets` are masked
    beside `keys` wherever they come back. `clock` should never be set back.
    """

    def __init__(
        self,
        specs: Iterable[ModelSpec],
        keys: Mapping[Provider, str],
        spending: Spending,
        clock: Clock,
        settings: ClientSettings | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        settings = settings or ClientSettings()
        self._specs = {spec.name: spec for spec in specs}
        self._keys = dict(keys)
        self._clock = clock
        self._retry_pause_s = settings.retry_pause_s
        self._sdk = SdkWire(self._keys, settings.reply_bytes_max)
        self._ollama = OllamaWire(settings.reply_bytes_max)
        wires: dict[Provider, Wire] = dict.fromkeys(Provider, self._sdk)
        wires[Provider.OLLAMA] = self._ollama
        redactor = Redactor((*self._keys.values(), *secrets))
        self._attempts = Attempts(wires, spending, clock, redactor, settings.answer_chars_max)
        self._breakers = Breakers(settings.breaker_failures, settings.breaker_open_s)

    async def warm_up(self) -> None:
        """Import what the providers' clients need, seconds of work, beside the event loop."""
        ollama = [spec for spec in self._specs.values() if spec.provider is Provider.OLLAMA]
        others = [spec for spec in self._specs.values() if spec.provider is not Provider.OLLAMA]
        await asyncio.to_thread(self._ollama.prepare, ollama)
        if others:
            await asyncio.to_thread(self._sdk.load, others)

    async def complete(self, request: ModelRequest) -> ModelReply:
        began = asyncio.get_running_loop().time()
        spec = self._specs.get(request.model)
        if spec is None:
            return ModelFailure(FailureKind.UNAVAILABLE, f"no model of this session is called {request.model}")
        prompt_hash = fingerprint(request, spec)
        unfit = self._unfit(request, spec)
        if unfit:
            return ModelFailure(FailureKind.UNAVAILABLE, unfit, Usage(), prompt_hash, spec.model)
        refusal = self._breakers.refusal(spec, self._clock.now_ns())
        if refusal:
            return ModelFailure(FailureKind.BREAKER_OPEN, refusal, Usage(), prompt_hash, spec.model)
        try:
            reply = await self._converse(request, spec, prompt_hash, began)
        except BaseException:
            self._breakers.ended(spec, FailureKind.UNAVAILABLE, self._clock.now_ns())
            raise
        failure = reply.kind if isinstance(reply, ModelFailure) else None
        self._breakers.ended(spec, failure, self._clock.now_ns())
        return reply

    async def aclose(self) -> None:
        await self._attempts.aclose()
        await self._sdk.aclose()
        await self._ollama.aclose()

    def _unfit(self, request: ModelRequest, spec: ModelSpec) -> str:
        """Why this question cannot be put to this model at all; empty if it can."""
        if not spec.address:
            return f"{spec.name} has no address: its server is not running"
        if spec.provider.key_variables and not self._keys.get(spec.provider):
            return f"there is no key for {spec.provider}"
        missing = sorted(request.tools - spec.provider.tools)
        return f"{spec.provider} has no {', '.join(missing)}" if missing else ""

    async def _converse(self, request: ModelRequest, spec: ModelSpec, prompt_hash: str, began: float) -> ModelReply:
        loop, deadline = asyncio.get_running_loop(), began + request.timeout_s
        question = Question.of(request, spec)
        made: list[CallOutcome] = []
        retried = repaired = False
        while True:
            outcome = await self._attempts.make(request, question, prompt_hash, deadline, len(made) + 1)
            made.append(outcome)
            if outcome.kind in _PASSING and not retried and await self._paused(outcome, deadline):
                retried = True
            elif outcome.kind is FailureKind.INVALID and outcome.text and not repaired and loop.time() < deadline:
                repaired = True
                question = question.again(outcome.text, outcome.reason)
            else:
                return _reply(made, spec, prompt_hash, began)

    async def _paused(self, outcome: CallOutcome, deadline: float) -> bool:
        """Wait as long as the provider asks for; False, at once: the deadline is before that."""
        pause_s = outcome.retry_after_s
        if pause_s is None:
            pause_s = self._retry_pause_s + ids.jitter(self._retry_pause_s)
        if asyncio.get_running_loop().time() + pause_s >= deadline:
            return False
        await asyncio.sleep(pause_s)
        return True


def _reply(made: list[CallOutcome], spec: ModelSpec, prompt_hash: str, began: float) -> ModelReply:
    last = made[-1]
    usage = Usage(
        latency_ns=round((asyncio.get_running_loop().time() - began) * 1e9),
        tokens_in=sum(each.tokens_in for each in made),
        tokens_out=sum(each.tokens_out for each in made),
        cost_usd=sum((each.cost_usd for each in made), Decimal(0)),
        attempts=sum(each.kind is not FailureKind.BUDGET for each in made),
    )
    model_id = next((each.model_id for each in reversed(made) if each.model_id), spec.model)
    if last.value is not None:
        return ModelAnswer(last.value, model_id, usage, prompt_hash)
    if last.kind is FailureKind.BUDGET and len(made) > 1:
        # The budget only stood against asking again: what failed is what came before.
        first = made[-2]
        assert first.kind is not None
        reason = f"{first.reason}; not asked again: {last.reason}"
        return ModelFailure(first.kind, reason, usage, prompt_hash, model_id)
    assert last.kind is not None
    return ModelFailure(last.kind, last.reason, usage, prompt_hash, model_id)


class FailOver:
    """Requests to `name` go to `models` in their order, one of each provider, within the request's one deadline; all
    others to the model they name. Never for contestants. Implements `ModelPort`.

    The reply's `model_id` says who answered. Each has an equal share of the time that is left, so that one that hangs
    leaves time for the next.
    """

    def __init__(self, port: ModelPort, name: str, models: Sequence[ModelSpec]) -> None:
        self._port = port
        self._name = name
        first_of = {spec.provider: spec for spec in reversed(models)}
        self._models = [spec for spec in models if first_of[spec.provider] is spec]

    async def complete(self, request: ModelRequest) -> ModelReply:
        if request.model != self._name:
            return await self._port.complete(request)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + request.timeout_s
        usage, failures = Usage(), list[str]()
        last = ModelFailure(FailureKind.UNAVAILABLE, "no model takes part that could be asked")
        for number, spec in enumerate(self._models):
            share_s = (deadline - loop.time()) / (len(self._models) - number)
            if share_s <= 0:
                break
            reply = await self._port.complete(replace(request, model=spec.name, timeout_s=share_s))
            usage = Usage(*map(add, astuple(usage), astuple(reply.usage)))
            if isinstance(reply, ModelAnswer):
                return structs.replace(reply, usage=usage)
            last = reply
            failures.append(f"{spec.name}: {reply.reason}")
        return structs.replace(last, usage=usage, reason="; ".join(failures) or last.reason)
