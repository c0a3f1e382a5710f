"""What has been left behind since the last commit, numbered as the store wants it."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar, get_args

import msgspec
from msgspec.structs import replace

from triplegain.domain.agent_records import AlertRecord
from triplegain.domain.records import CommitBatch

Record = TypeVar("Record", bound=msgspec.Struct)
_SHOWN = 8
#: The list of a `CommitBatch` that holds each kind of record.
_LISTS = {get_args(each.type)[0]: each.name for each in msgspec.structs.fields(CommitBatch) if get_args(each.type)}


class MindRecord:
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
