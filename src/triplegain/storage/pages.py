"""The rows of a session in one table, read as records, a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from triplegain.storage.database import Database
from triplegain.storage.rows import read

_Record = TypeVar("_Record")
READING = "reading the session"
_LIMIT = 1000


class Pages(Generic[_Record]):
    """`await pages(session_id, symbol="BTC/USDT", after=7)`: the records beyond a cursor, which is their `key`.

    `record` is the type whose fields are the columns, or what makes a record of a row. Filters are the columns that are
    named, and `conditions` by the name of the argument that stands for `{}`; one that is None is left out.
    """

    def __init__(
        self,
        database: Database,
        record: type[_Record] | Callable[[Any], _Record],
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
    ) -> list[_Record]:
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
