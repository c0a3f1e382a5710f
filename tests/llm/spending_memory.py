"""A cost ledger of this process: the rules of the one in the database, for commands and tests without a database."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from triplegain.domain.agent_records import ModelCall, OverBudget
from triplegain.domain.clock import to_datetime

_ZERO = Decimal(0)


class MemorySpending:
    """`per_day_usd` is of the UTC day, `per_decision_usd` of all questions of one round. Forgets with the process."""

    def __init__(
        self, per_day_usd: Decimal = Decimal(5), per_decision_usd: Decimal = Decimal("0.50"), calls_kept: int = 1000
    ) -> None:
        self._per_day_usd = per_day_usd
        self._per_decision_usd = per_decision_usd
        self._calls_kept = calls_kept
        self._by_call: dict[str, tuple[date, tuple[str, str], Decimal]] = {}
        #: What is over, the latest last.
        self.calls: list[ModelCall] = []

    async def reserve(self, call: ModelCall) -> OverBudget | None:
        wanted, day, round_key = call.reserved_usd, _day(call), _round(call)
        if not (wanted.is_finite() and wanted >= 0):
            return OverBudget(f"what this call may cost is not known: {wanted}")
        if wanted:
            if self.spent_usd(day) + wanted > self._per_day_usd:
                return OverBudget(
                    f"the models' budget of {self._per_day_usd:.2f} USD a day has no room until 00:00 UTC"
                )
            on_round = sum((usd for _, key, usd in self._by_call.values() if key == round_key), _ZERO)
            if on_round + wanted > self._per_decision_usd:
                return OverBudget(f"the models' budget of {self._per_decision_usd:.2f} USD a decision has no room")
        self._by_call[call.call_id] = day, round_key, wanted
        return None

    async def settle(self, call: ModelCall) -> None:
        self._by_call[call.call_id] = _day(call), _round(call), call.cost_usd
        self.calls.append(call)
        del self.calls[: -self._calls_kept]

    def spent_usd(self, day: date) -> Decimal:
        """Spent and set aside on a UTC day."""
        return sum((usd for on, _, usd in self._by_call.values() if on == day), _ZERO)


def _day(call: ModelCall) -> date:
    return to_datetime(call.started_at_ns).date()


def _round(call: ModelCall) -> tuple[str, str]:
    """The questions of one decision share what stands before the last slash."""
    return call.session_id, call.request_id.rpartition("/")[0] or call.request_id
