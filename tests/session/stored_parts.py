"""What a database would hold of a session, and single parts of it as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from triplegain.domain.parts import WHOLE
from triplegain.domain.records import CommitBatch
from triplegain.domain.storable import encode
from triplegain.session.trading_session import TradingSession

Rows = dict[tuple[str, str], bytes]


def stored(session: TradingSession) -> Rows:
    """As after a commit now. Every part read whole is what is stored: nobody forgot to say that it has changed."""
    session.take_batch(0, 0)
    rows = dict(session.parts.rows)
    for (name, key), state in rows.items():
        assert encode(session.parts._parts[name].read(key)) == state, f"{name} {key} has changed unsaid"
    return rows


def stored_by(batches: Iterable[CommitBatch]) -> Rows:
    """What is left after these commits."""
    rows: Rows = {}
    for change in (change for batch in batches for change in batch.parts):
        if change.state is None:
            del rows[change.part, change.key]
        else:
            rows[change.part, change.key] = change.state
    return rows


def part(rows: Rows, name: str, key: str = WHOLE) -> Any:
    return msgspec.json.decode(rows[name, key])


def with_part(rows: Rows, name: str, value: Any) -> Rows:
    return {**rows, (name, WHOLE): msgspec.json.encode(value)}
