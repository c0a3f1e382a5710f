"""Stored rows as the records of the domain: one, or those of a session in one table, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

import asyncpg
import msgspec

from triplegain.domain.clock import from_datetime
from triplegain.domain.exchange_events import ExchangeEvent
from triplegain.domain.orders import OrderRequest
from triplegain.domain.records import OrderRecord
from triplegain.storage.database import Database
from triplegain.storage.errors import StorageError

Row = Mapping[str, Any] | asyncpg.Record
Record = TypeVar("Record")
READING = "reading the session"
_LIMIT = 1000


def read(kind: type[Record], row: Row) -> Record:
    """A row as the record whose fields are its columns. A wall time `x_at` is the field `x_at_ns`, in microseconds.

    Raises StorageError for a row that no program of ours has written.
    """
    times = {f"{name}_ns": from_datetime(value) for name, value in row.items() if isinstance(value, datetime)}
    try:
        return msgspec.convert({**row, **times}, kind)
    except msgspec.ValidationError as error:
        whose = row.get("session_id") or "no session"
        raise StorageError(
            f"a stored row of {whose} is no {kind.__name__} ({error}): somebody has changed it, or a disk has. "
            "`tg db verify` tells more"
        ) from error


def read_all(kind: type[Record], found: Iterable[Row]) -> tuple[Record, ...]:
    return tuple(read(kind, row) for row in found)


def order_record(row: Row) -> OrderRecord:
    changed = {"quantity": row["requested_quantity"], "options": row["options"] or {}}
    request = read(OrderRequest, {**row, **changed})
    now = {**row, "request": request}
    if now["amended_terms"] is None:
        del now["amended_terms"]
    return read(OrderRecord, now)


def exchange_event(row: Row) -> ExchangeEvent:
    """Its columns and what stands beside them. Raises StorageError as `read` does."""
    columns = dict(row)
    return read(ExchangeEvent, {**columns.pop("event"), **columns})  # type: ignore[arg-type]


class Pages(Generic[Record]):
    """`await pages(session_id, symbol="BTC/USDT", after=7)`: the records beyond a cursor, which is their `key`.

    `record` is the type whose fields are the columns, or what makes a record of a row. Filters are the columns that are
    named, and `conditions` by the name of the argument that stands for `{}`; one that is None is left out.
    """

    def __init__(
        self,
        database: Database,
        record: type[Record] | Callable[[Any], Record],
        table: str,
        key: str,
        *columns: str,
        **conditions: str,
    ) -> None:
        self._database = database
        self._record = (lambda row: read(record, row)) if isinstance(record, type) else record
        self._table = table
        self.key = key
        self._filters = {name: f"{name} = {{}}" for name in columns} | conditions

    async def __call__(
        self,
        session_id: str,
        *,
        after: int | None = None,
        limit: int = _LIMIT,
        newest_first: bool = False,
        **wanted: object,
    ) -> list[Record]:
        """In the order of the key, or from the end and from before `after`. Raises TypeError for an unknown filter."""
        if unknown := wanted.keys() - self._filters.keys():
            raise TypeError(f"{self._table} is not filtered by {', '.join(sorted(unknown))}")
        compare, order = ("<", "DESC") if newest_first else (">", "ASC")
        conditions = {"after": f"{self.key} {compare} {{}}", **self._filters}
        values = {name: value for name, value in {"after": after, **wanted}.items() if value is not None}
        found = await self._database.rows(
            READING,
            f"SELECT * FROM {self._table} WHERE session_id = $1"
            + "".join(f" AND {conditions[name].format(f'${place}')}" for place, name in enumerate(values, 3))
            + f" ORDER BY {self.key} {order} LIMIT $2",
            session_id,
            limit,
            *values.values(),
        )
        return [self._record(row) for row in found]
