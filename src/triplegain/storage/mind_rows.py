"""Stored rows of what the decision engine leaves behind, as the records of the domain."""

from __future__ import annotations

from triplegain.domain.agent_records import ModelCall
from triplegain.domain.clock import from_datetime
from triplegain.storage.rows import Row, read


def model_call(row: Row) -> ModelCall:
    """`started_at_ns` comes back cut to microseconds."""
    return read(ModelCall, {**row, "started_at_ns": from_datetime(row["started_at"])})
