"""From an answer to what comes of it: the cycle, its order, its decision in the record."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from triplegain.agents.answer import Answer
from triplegain.decision.cycle import (
    Allocate,
    ClosePositions,
    CycleOutcome,
    DoNothing,
    OpenTrade,
    Situation,
    is_refused_by_risk,
    run_cycle,
)
from triplegain.decision.record import MindRecord
from triplegain.domain.ids import Family, Origin, own_id
from triplegain.domain.orders import OrderRequest
from triplegain.domain.parts import Parts
from triplegain.domain.proposal import TradeProposal
from triplegain.domain.records import DecisionRecord, Outcome
from triplegain.domain.refusals import Refusal
from triplegain.domain.verdict import RiskApproved, RiskVerdict
from triplegain.execution.order_desk import OrderDesk
from triplegain.risk.engine import RiskEngine
from triplegain.risk.views import MarketView, PortfolioView

_SHOWN = 8
_NUMBER = re.compile(r"\d+")


class ExecutorState(msgspec.Struct, frozen=True):
    """`last_words` by symbol: what was told last, so that it is not told again."""

    number: int
    last_words: dict[str, str]
    counts: dict[Outcome, int]
    refused_by_risk: int


class DecisionDesk:
    """Holding or abstaining again for the same reason is counted, not stored again: it is not news."""

    def __init__(self, desk: OrderDesk, risk: RiskEngine, record: MindRecord) -> None:
        #: Runs of the cycle by how they ended, over the whole session, and how many risk refused.
        self.counts = dict.fromkeys(Outcome, 0)
        self.refused_by_risk = 0
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

    def carry_out(
        self,
        outcome: CycleOutcome,
        details: Mapping[str, Any] | None = None,
        origin: Origin = Origin.STRATEGY,
    ) -> DecisionRecord | None:
        """Do what it says. Returns the decision where it was put down; with `details` it always is."""
        now_ns = outcome.decision.time_ns
        match outcome.action:
            case OpenTrade(approved):
                outcome = outcome.sent_as(self._desk.open(approved, now_ns, origin).client_order_id)
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
        proposal, name = approved.proposal, own_id(Family.WEIGHT, self.next_number)
        request = OrderRequest(
            name,
            proposal.symbol,
            proposal.side,
            approved.quantity,
            proposal.terms,
            purpose=proposal.intent.value,
            origin=Origin.STRATEGY,
        )
        sent = self._desk.allocate(request)
        if isinstance(sent, Refusal):
            refused = replace(outcome.decision, outcome=Outcome.REFUSED, reasons=(sent.reason,))
            return CycleOutcome(refused, DoNothing())
        return outcome.sent_as(name)

    def put_aside(
        self, outcome: CycleOutcome, word: Outcome, reason: str, details: Mapping[str, Any] | None = None
    ) -> DecisionRecord | None:
        """Put down that it is not done: `word` is held or refused."""
        decision = replace(outcome.decision, outcome=word, reasons=(reason,), client_order_id=None)
        return self.note(decision, details or {})

    def note(self, decision: DecisionRecord, details: Mapping[str, Any]) -> DecisionRecord | None:
        """Count it, and put it down if it is news."""
        noted = replace(decision, number=self._number + 1, details={**decision.details, **details})
        self.counts[noted.outcome] += 1
        self.refused_by_risk += is_refused_by_risk(noted)
        # A count in the reason is progress, not another reason.
        words = _NUMBER.sub("#", f"{decision.outcome}: {'; '.join(decision.reasons)}")
        is_quiet = decision.outcome in (Outcome.HELD, Outcome.ABSTAINED) and not details
        if is_quiet and self._last_words.get(decision.symbol) == words:
            return None
        self._last_words[decision.symbol] = words
        self._number = noted.number
        self._record.put(noted)
        if noted.outcome in (Outcome.SENT, Outcome.REFUSED) or details:
            self.last.append(noted)
        return noted

    def register(self, parts: Parts) -> None:
        parts.single("decision.executor", ExecutorState, self._state, self._restore)

    def _state(self) -> ExecutorState:
        return ExecutorState(self._number, self._last_words, self.counts, self.refused_by_risk)

    def _restore(self, stored: ExecutorState) -> None:
        self._number, self._last_words = stored.number, stored.last_words
        self.counts, self.refused_by_risk = dict.fromkeys(Outcome, 0) | stored.counts, stored.refused_by_risk
