"""A model's answer about a conflict: put down, and read as a ruling. A failure is no ruling: then the rules decide."""

from __future__ import annotations

from decimal import Decimal

from triplegain.agents.conflict import ConflictAnswer, remaining_share
from triplegain.coordinator.mind.conflicts import ModelRuling
from triplegain.coordinator.mind.rounds import FinishedRound
from triplegain.coordinator.mind_record import MindRecord
from triplegain.domain.agent_records import AnalysisRecord
from triplegain.llm.reply import ModelAnswer


def conflict_reply(finished: FinishedRound, record: MindRecord, now_ns: int) -> ModelRuling | None:
    """What the asked model ruled; None if it did not."""
    asked = finished.round
    ((model, reply),) = finished.replies.items()
    answered = isinstance(reply, ModelAnswer)
    answer = ConflictAnswer.model_validate(reply.value) if isinstance(reply, ModelAnswer) else None
    record.analysis(
        AnalysisRecord(
            number=0,
            time_ns=now_ns,
            task=asked.kind,
            symbol=asked.subject,
            model=model,
            abstained=not answered,
            confidence=None if answer is None else Decimal(answer.confidence_pct) / 100,
            answer={} if answer is None else answer.model_dump(mode="json"),
            reason=answer.reasoning
            if answer
            else ""
            if isinstance(reply, ModelAnswer)
            else f"{reply.kind}: {reply.reason}",
            snapshot_hash=asked.snapshot_hash,
            request_id=asked.request_id(model),
            latency_ns=reply.usage.latency_ns,
        )
    )
    if answer is None:
        return None
    return ModelRuling(model, answer.resolution, answer.reasoning, remaining_share(answer))
