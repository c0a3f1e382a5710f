"""What has been left behind since the last commit, numbered as the store wants it."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any, TypeVar, get_args

import msgspec
from msgspec.structs import replace
from pydantic import BaseModel, ValidationError

from triplegain.agents.answer import Abstain
from triplegain.agents.spec import AgentSpec
from triplegain.agents.typed_answer import TypedAnswer
from triplegain.domain.agent_records import AlertRecord, AnalysisRecord
from triplegain.domain.records import CommitBatch
from triplegain.llm.reply import FailureKind, ModelAnswer, ModelFailure, ModelReply

Record = TypeVar("Record", bound=msgspec.Struct)
_SHOWN = 8
#: The list of a `CommitBatch` that holds each kind of record.
_LISTS = {get_args(each.type)[0]: each.name for each in msgspec.structs.fields(CommitBatch) if get_args(each.type)}


class RecordLog:
    """Takes records with any number and gives each kind its own, from 1 on without a gap."""

    def __init__(self) -> None:
        #: For whoever looks: the last alerts of this run.
        self.last_alerts: deque[AlertRecord] = deque(maxlen=_SHOWN)
        #: The last number of each kind, by its list in a `CommitBatch`.
        self.numbers: dict[str, int] = {}
        self._waiting: dict[str, list[Any]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Records that wait for a commit."""
        return self._count

    def put(self, record: Record) -> Record:
        """Keep it until the next commit. Returns it with its number, where its kind has one."""
        name = _LISTS[type(record)]
        if "number" in record.__struct_fields__:
            self.numbers[name] = number = self.numbers.get(name, 0) + 1
            record = replace(record, number=number)
        self._waiting.setdefault(name, []).append(record)
        self._count += 1
        if isinstance(record, AlertRecord):
            self.last_alerts.append(record)
        return record

    def take(self) -> dict[str, Any]:
        """The fields of a `CommitBatch`; they are forgotten here."""
        taken = {name: tuple(records) for name, records in self._waiting.items()}
        self._waiting.clear()
        self._count = 0
        return taken


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


TypedReply = TypeVar("TypedReply", bound=BaseModel)


def fitting(agent: AgentSpec, reply: ModelReply) -> ModelReply:
    """The reply, or that it is invalid: what a tape or a stored session has kept may be of an earlier form."""
    if isinstance(reply, ModelAnswer):
        try:
            agent.answer.model_validate(reply.value)
        except ValidationError as error:
            reason = f"not an answer to a {agent.name} question: {error.error_count()} faults"
            return ModelFailure(FailureKind.INVALID, reason, reply.usage, reply.prompt_hash, reply.model_id)
    return reply


def answered(answer: type[TypedReply], reply: ModelReply) -> TypedReply | Abstain:
    """What a `fitting` reply says in its type; a failure says nothing, and why."""
    if isinstance(reply, ModelAnswer):
        return answer.model_validate(reply.value)
    return Abstain(f"{reply.kind}: {reply.reason}")
