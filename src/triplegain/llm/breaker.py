"""Circuit breakers: who fails three times in a row is left alone for a while, then tried with one call."""

from __future__ import annotations

from triplegain.domain.clock import SECOND_NS
from triplegain.llm.reply import FailureKind
from triplegain.llm.spec import ModelSpec

#: Failures that say something about all models of a provider, not about one.
_OF_PROVIDER = frozenset(
    {FailureKind.TIMEOUT, FailureKind.CONNECTION, FailureKind.RATE_LIMITED, FailureKind.SERVER_ERROR}
)
#: Nothing was sent: it says nothing about anybody.
_OF_NOBODY = frozenset({FailureKind.BUDGET, FailureKind.BREAKER_OPEN, FailureKind.UNAVAILABLE})


class Breaker:
    """Closed, open until a time, or half open: one call is on probation. Times are nanoseconds of one clock."""

    def __init__(self, failures_max: int, open_ns: int) -> None:
        self._failures_max = failures_max
        self._open_ns = open_ns
        self._failures = 0
        self._closes_at_ns: int | None = None
        self._on_probation = False

    def waits_ns(self, now_ns: int) -> int:
        """For how long no call may pass; 0: one may. A call on probation makes the others wait for its end."""
        if self._closes_at_ns is None:
            return 0
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
        self._breakers: dict[str, Breaker] = {}

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
        provider, model = self._of(spec.provider.value), self._of(f"model {spec.name}")
        if failure in _OF_NOBODY:
            provider.ended()
            model.ended()
            return
        if failure is None:
            model.succeeded()
        else:
            model.failed(now_ns)
        # Whoever sends a bad answer can be reached.
        if failure in _OF_PROVIDER:
            provider.failed(now_ns)
        else:
            provider.succeeded()

    def given_up(self, spec: ModelSpec) -> None:
        """A call that had begun was cancelled."""
        self._of(spec.provider.value).ended()
        self._of(f"model {spec.name}").ended()

    def _of(self, name: str) -> Breaker:
        return self._breakers.setdefault(name, Breaker(self._failures_max, self._open_ns))
