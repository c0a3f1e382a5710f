"""Stored rows as the records of the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import asyncpg
import msgspec

from triplegain.domain.clock import from_datetime
from triplegain.domain.orders import OrderRequest
from triplegain.domain.records import OrderRecord

Row = Mapping[str, Any] | asyncpg.Record
Record = TypeVar("Record")


def read(kind: type[Record], row: Row) -> Record:
    """A row as the record whose fields are its columns. A wall time `x_at` is the field `x_at_ns`, in microseconds."""
    times = {f"{name}_ns": from_datetime(value) for name, value in row.items() if isinstance(value, datetime)}
    return msgspec.convert({**row, **times}, kind)


def read_all(kind: type[Record], found: Iterable[Row]) -> tuple[Record, ...]:
    return tuple(read(kind, row) for row in found)


def order_record(row: Row) -> OrderRecord:
    request = read(OrderRequest, {**row, "quantity": row["requested_quantity"]})
    return read(OrderRecord, {**row, "request": request})
