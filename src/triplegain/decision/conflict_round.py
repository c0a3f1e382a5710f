"""A model's answer about a conflict: put down, and read as a ruling. A failure is no ruling: then the rules decide."""

from __future__ import annotations

from triplegain.agents.answer import Abstain
from triplegain.agents.conflict import ConflictAnswer, remaining_share
from triplegain.decision.analysis_record import analysis_record
from triplegain.decision.conflicts import ModelRuling
from triplegain.decision.record import MindRecord
from triplegain.decision.replies import answered
from triplegain.decision.rounds import FinishedRound


def conflict_reply(finished: FinishedRound, record: MindRecord, now_ns: int) -> ModelRuling | None:
    """What the asked model ruled; None if it did not."""
    asked = finished.round
    ((model, reply),) = finished.replies.items()
    answer = answered(ConflictAnswer, reply)
    told = (model, asked.snapshot_hash, asked.request_id(model), reply.usage.latency_ns)
    record.put(analysis_record(asked.kind, asked.subject, answer, now_ns, *told))
    if isinstance(answer, Abstain):
        return None
    return ModelRuling(model, answer.resolution, answer.reasoning, remaining_share(answer))
