"""One page of a session's rows, cut by a cursor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from triplegain.storage.database import Database
from triplegain.storage.rows import read

_Record = TypeVar("_Record")
READING = "reading the session"


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of `table`: those that fit `where`, beyond the cursor `after` on `key`."""

    table: str
    key: str
    where: str
    after: int | None
    limit: int
    newest_first: bool = False

    @property
    def query(self) -> str:
        """With the parameters $1 session, $2 after, $3 limit; those of `where` follow."""
        compare, order = ("<", "DESC") if self.newest_first else (">", "ASC")
        return (
            f"SELECT * FROM {self.table} WHERE session_id = $1 AND ($2::bigint IS NULL OR {self.key} {compare} $2) "
            f"AND {self.where} ORDER BY {self.key} {order} LIMIT $3"
        )


async def read_page(
    database: Database, record: type[_Record] | Callable[[Any], _Record], page: Page, session_id: str, *values: object
) -> list[_Record]:
    """The rows of the page as records; `values` are the parameters of its `where`."""
    found = await database.rows(READING, page.query, session_id, page.after, page.limit, *values)
    convert = record if not isinstance(record, type) else lambda row: read(record, row)
    return [convert(row) for row in found]
