"""An analysis as it is put down: what came of one question, whoever it was put to."""

from __future__ import annotations

from decimal import Decimal

from triplegain.agents.answer import Abstain
from triplegain.agents.typed_answer import TypedAnswer
from triplegain.domain.agent_records import AnalysisRecord


def analysis_record(
    task: str,
    subject: str,
    answer: TypedAnswer | Abstain,
    time_ns: int,
    model: str | None = None,
    snapshot_hash: str = "",
    request_id: str = "",
    latency_ns: int = 0,
) -> AnalysisRecord:
    """Not numbered yet. `subject` is a symbol, an asset or empty; without a `model` the rules answered."""
    return AnalysisRecord(
        number=0,
        time_ns=time_ns,
        task=task,
        symbol=subject,
        model=model,
        abstained=isinstance(answer, Abstain),
        confidence=None if isinstance(answer, Abstain) else Decimal(answer.confidence_pct) / 100,
        answer={} if isinstance(answer, Abstain) else answer.model_dump(mode="json"),
        reason=answer.reason if isinstance(answer, Abstain) else answer.reasoning,
        snapshot_hash=snapshot_hash,
        request_id=request_id,
        latency_ns=latency_ns,
    )
