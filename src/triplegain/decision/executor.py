"""From an answer to what comes of it: the cycle, its order, its decision in the record."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from triplegain.agents.answer import Answer
from triplegain.decision.cycle import (
    Allocate,
    ClosePositions,
    CycleOutcome,
    DoNothing,
    OpenTrade,
    Situation,
    run_cycle,
)
from triplegain.decision.record import MindRecord
from triplegain.domain.orders import OrderRequest
from triplegain.domain.proposal import TradeProposal
from triplegain.domain.records import DecisionRecord
from triplegain.domain.refusals import Refusal
from triplegain.domain.verdict import RiskApproved, RiskVerdict
from triplegain.execution.order_desk import OrderDesk
from triplegain.risk.engine import RiskEngine
from triplegain.risk.views import MarketView, PortfolioView

_SHOWN = 8
_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class DecisionCounts:
    """Runs of the cycle by how they ended, over the whole session."""

    sent: int = 0
    refused: int = 0
    held: int = 0
    abstained: int = 0

    def add(self, outcome: str) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)

    @property
    def decided(self) -> int:
        """Everything but abstentions."""
        return self.sent + self.refused + self.held


class DecisionDesk:
    """Holding or abstaining again for the same reason is counted, not stored again: it is not news."""

    def __init__(self, desk: OrderDesk, risk: RiskEngine, record: MindRecord) -> None:
        self.counts = DecisionCounts()
        #: For whoever looks: the last decisions of this run that led to something.
        self.last: deque[DecisionRecord] = deque(maxlen=_SHOWN)
        self._desk = desk
        self._risk = risk
        self._record = record
        self._number = 0
        self._last_words: dict[str, str] = {}

    @property
    def next_number(self) -> int:
        """The number of the next decision that is put down."""
        return self._number + 1

    def plan(self, answer: Answer, situation: Situation) -> CycleOutcome:
        """What would come of it now. Nothing is sent and nothing put down."""

        def judge(proposal: TradeProposal, portfolio: PortfolioView, market: MarketView) -> RiskVerdict:
            return self._risk.assess(proposal, portfolio, market, situation.time_ns)

        return run_cycle(answer, situation, judge)

    def carry_out(self, outcome: CycleOutcome, details: Mapping[str, Any] | None = None) -> DecisionRecord | None:
        """Do what it says. Returns the decision where it was put down; with `details` it always is."""
        now_ns = outcome.decision.time_ns
        match outcome.action:
            case OpenTrade(approved):
                outcome = outcome.sent_as(self._desk.open(approved, now_ns).client_order_id)
                self._risk.on_opened(approved.proposal.symbol, now_ns)
            case Allocate(approved):
                outcome = self._allocate(outcome, approved)
            case ClosePositions(position_ids, reason):
                for position_id in position_ids:
                    self._desk.close(position_id, reason, now_ns)
            case DoNothing():
                pass
        return self.note(outcome.decision, details or {})

    def _allocate(self, outcome: CycleOutcome, approved: RiskApproved) -> CycleOutcome:
        proposal, name = approved.proposal, f"weight-{self.next_number}"
        request = OrderRequest(
            name, proposal.symbol, proposal.side, approved.quantity, proposal.terms, purpose=proposal.intent.value
        )
        sent = self._desk.allocate(request)
        if isinstance(sent, Refusal):
            refused = replace(outcome.decision, outcome="refused", reasons=(sent.reason,))
            return CycleOutcome(refused, DoNothing())
        return outcome.sent_as(name)

    def put_aside(
        self, outcome: CycleOutcome, word: str, reason: str, details: Mapping[str, Any] | None = None
    ) -> DecisionRecord | None:
        """Put down that it is not done: `word` is held or refused."""
        decision = replace(outcome.decision, outcome=word, reasons=(reason,), client_order_id=None)
        return self.note(decision, details or {})

    def note(self, decision: DecisionRecord, details: Mapping[str, Any]) -> DecisionRecord | None:
        """Count it, and put it down if it is news."""
        self.counts.add(decision.outcome)
        # A count in the reason is progress, not another reason.
        words = _NUMBER.sub("#", f"{decision.outcome}: {'; '.join(decision.reasons)}")
        is_quiet = decision.outcome in ("held", "abstained") and not details
        if is_quiet and self._last_words.get(decision.symbol) == words:
            return None
        self._last_words[decision.symbol] = words
        self._number += 1
        decision = replace(decision, number=self._number, details={**decision.details, **details})
        self._record.decisions.append(decision)
        if decision.outcome in ("sent", "refused") or details:
            self.last.append(decision)
        return decision

    def state(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "number": self._number,
            "last_words": dict(self._last_words),
            "counts": [counts.sent, counts.refused, counts.held, counts.abstained],
        }

    def restore(self, stored: Mapping[str, Any]) -> None:
        self._number = stored["number"]
        self._last_words = dict(stored["last_words"])
        self.counts = DecisionCounts(*stored["counts"])
