"""A session as a restart finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from triplegain.domain.records import OpenRows, SessionRecord


@dataclass(frozen=True, slots=True)
class StoredSession:
    """All of one moment: the last commit. A session without a commit has no `parts`, form 0 and position 0.

    `parts` are the JSON of each part and key, `rows` what must agree with them.
    """

    session: SessionRecord
    form: int
    parts: Mapping[tuple[str, str], bytes]
    feed_position: int
    market_time_ns: int
    rows: OpenRows
