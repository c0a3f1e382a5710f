"""What agents, risk and hodl bag have left behind since the last commit, numbered as the store wants it."""

from __future__ import annotations

from collections import deque
from typing import Any

from msgspec.structs import replace

from triplegain.domain.agent_records import (
    AlertRecord,
    AnalysisRecord,
    HodlRecord,
    OutcomeRecord,
    RiskRecord,
    VoteRecord,
)
from triplegain.domain.records import DecisionRecord

_SHOWN = 8


class MindRecord:
    """Takes records with any number and gives each kind its own, from 1 on without a gap."""

    def __init__(self) -> None:
        #: For whoever looks: the last alerts of this run.
        self.last_alerts: deque[AlertRecord] = deque(maxlen=_SHOWN)
        #: Decisions, numbered by whoever decides.
        self.decisions: list[DecisionRecord] = []
        self._analyses: list[AnalysisRecord] = []
        self._votes: list[VoteRecord] = []
        self._outcomes: list[OutcomeRecord] = []
        self._risk: list[RiskRecord] = []
        self._alerts: list[AlertRecord] = []
        self._hodl: list[HodlRecord] = []
        self._count = 0
        #: The last number of each kind.
        self.numbers = {"analyses": 0, "votes": 0, "risk": 0, "alerts": 0, "hodl": 0}

    def __len__(self) -> int:
        """Records that wait for a commit."""
        return self._count + len(self.decisions)

    def analysis(self, record: AnalysisRecord) -> AnalysisRecord:
        record = replace(record, number=self._next("analyses"))
        self._analyses.append(record)
        return record

    def vote(self, record: VoteRecord) -> VoteRecord:
        record = replace(record, number=self._next("votes"))
        self._votes.append(record)
        return record

    def outcome(self, record: OutcomeRecord) -> None:
        self._count += 1
        self._outcomes.append(record)

    def risk(self, record: RiskRecord) -> None:
        self._risk.append(replace(record, number=self._next("risk")))

    def alert(self, record: AlertRecord) -> None:
        record = replace(record, number=self._next("alerts"))
        self._alerts.append(record)
        self.last_alerts.append(record)

    def hodl(self, record: HodlRecord) -> None:
        self._hodl.append(replace(record, number=self._next("hodl")))

    def _next(self, kind: str) -> int:
        self._count += 1
        self.numbers[kind] += 1
        return self.numbers[kind]

    def take(self) -> dict[str, Any]:
        """The fields of a `CommitBatch`; they are forgotten here."""
        taken = {
            "decisions": tuple(self.decisions),
            "analyses": tuple(self._analyses),
            "votes": tuple(self._votes),
            "outcomes": tuple(self._outcomes),
            "risk": tuple(self._risk),
            "alerts": tuple(self._alerts),
            "hodl": tuple(self._hodl),
        }
        for each in (self.decisions, self._analyses, self._votes, self._outcomes, self._risk, self._alerts, self._hodl):
            each.clear()
        self._count = 0
        return taken
