"""What a session must look at, and when it may rest: no look is taken that would find what the one before has found."""

from __future__ import annotations

from dataclasses import dataclass, field

from triplegain.decision.engine import DecisionEngine
from triplegain.domain.clock import NEVER
from triplegain.exchange.margin.account import MarginAccount
from triplegain.execution.paper_portfolio import PaperPortfolio
from triplegain.risk.engine import RiskEngine
from triplegain.session.risk_watch import RiskWatch
from triplegain.session.step_record import StepRecord


@dataclass(eq=False)
class Attention:
    """Of one session. `has_changed`: something has happened that may be a reason to look at equity, though no price
    moved it before. `is_quiet`: nobody has looked at prices since the last plan."""

    _portfolio: PaperPortfolio
    _margin: MarginAccount
    _watch: RiskWatch
    _engine: DecisionEngine
    _risk: RiskEngine
    _record: StepRecord
    has_changed: bool = field(default=False, init=False)
    is_quiet: bool = field(default=False, init=False)

    def may_rest(self, now_ns: int) -> bool:
        """No price does anything to this session: equity is known, and dollars alone."""
        if not self._watch.has_looked or not self._portfolio.is_cash or self._margin.is_used:
            return False
        # What has come of the last coins is looked at once.
        is_known = self._risk.memory.equity == self._portfolio.equity_usd()
        return is_known and not self._engine.is_asleep and not self._risk.halted(now_ns)

    @property
    def must_plan(self) -> bool:
        """The next look at equity is to be planned with the next message."""
        return self.has_changed or self._watch.due_ns == NEVER

    def plan(self, time_ns: int) -> None:
        """When equity is looked at next."""
        self.has_changed, self.is_quiet = False, self.may_rest(time_ns)
        if self.is_quiet:
            self._watch.rest(time_ns)
        else:
            self._watch.moved(time_ns)

    def begin(self, now_ns: int) -> None:
        """A stored session goes on: whether it was quiet is not stored."""
        self.has_changed, self.is_quiet = True, self.may_rest(now_ns)

    def awaits_snapshot(self, now_ns: int) -> bool:
        """One is taken with the next message."""
        return self._record.snapshot_due_ns <= now_ns

    def wakes_ns(self, now_ns: int) -> int:
        """When a thought or a snapshot is due next."""
        snapshot_ns = NEVER if self.awaits_snapshot(now_ns) else self._record.snapshot_due_ns
        return min(self._engine.due_ns, self._watch.due_ns, snapshot_ns)
