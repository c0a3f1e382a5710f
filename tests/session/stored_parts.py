"""What a database would hold of a session, and single parts of it as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Protocol, TypeVar

import msgspec

from triplegain.domain.parts import WHOLE, Parts
from triplegain.domain.records import CommitBatch
from triplegain.session.trading_session import TradingSession

Rows = dict[tuple[str, str], bytes]


def stored(session: TradingSession) -> Rows:
    """As after a commit now. Every part read whole is what is stored: nobody forgot to say that it has changed."""
    session.take_batch(0, 0)
    return all_said(session.parts)


def all_said(parts: Parts) -> Rows:
    """What is stored once the changes so far are, which is all that there is."""
    list(parts.changes())
    rows = dict(parts.rows)
    whole = parts.whole()
    for name in whole.keys() | rows.keys():
        assert whole.get(name) == rows.get(name), f"{' '.join(name)} has changed unsaid"
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


class HasParts(Protocol):
    """Whatever a session keeps parts of."""

    def register(self, parts: Parts) -> None: ...


Kept = TypeVar("Kept", bound=HasParts)


def kept(component: HasParts) -> Parts:
    """Its parts, from now on."""
    parts = Parts()
    component.register(parts)
    return parts


def rows_of(component: HasParts) -> Rows:
    """What would be stored of a component now; whoever keeps it goes on hearing of its changes."""
    parts = Parts()
    deepcopy(component).register(parts)
    return parts.whole()


def taken_up(parts: Parts, other: Kept) -> Kept:
    """`other` goes on from these parts, as a database gives them back: rows and keys in any order."""
    list(parts.changes())
    again = kept(other)
    again.restore(
        {
            name: json.dumps(json.loads(state), sort_keys=True).encode()
            for name, state in reversed(tuple(parts.rows.items()))
        }
    )
    return other


def part(rows: Rows, name: str, key: str = WHOLE) -> Any:
    return msgspec.json.decode(rows[name, key])


def with_part(rows: Rows, name: str, value: Any) -> Rows:
    return {**rows, (name, WHOLE): msgspec.json.encode(value)}
