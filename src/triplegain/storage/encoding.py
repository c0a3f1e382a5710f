"""A commit batch as the argument of `paper_commit`: a record's fields are its columns, but for what stands here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict

from triplegain.domain.clock import to_datetime
from triplegain.domain.exchange_events import ExchangeEvent
from triplegain.domain.money import from_atoms
from triplegain.domain.orders import OrderOptions
from triplegain.domain.parts import PartChange
from triplegain.domain.records import CommitBatch, OrderRecord, SecurityEvent

_NO_OPTIONS = OrderOptions()
_EVENT_COLUMNS = ("sequence", "time_ns", "visible_at_ns", "order_number")


def _order_row(order: OrderRecord) -> dict[str, Any]:
    row = asdict(order)
    request = asdict(row.pop("request"))
    # A column that is empty at the end of a row leaves its text as it was before there was such a column.
    request["options"] = None if request["options"] == _NO_OPTIONS else request["options"]
    row["amended_terms"] = None if order.amended_terms is UNSET else order.amended_terms
    return {**request, "requested_quantity": request["quantity"], "order_type": request["terms"].kind, **row}


def _event_row(event: ExchangeEvent) -> dict[str, Any]:
    """What of an event is not a column goes into `event`; a fill's explanation is stored with the fill."""
    rest = {name: value for name, value in asdict(event).items() if value is not UNSET}
    rest.pop("explanation", None)
    return {**{name: rest.pop(name, None) for name in _EVENT_COLUMNS}, "kind": event.kind, "event": rest}


def security_row(event: SecurityEvent) -> dict[str, Any]:
    return asdict(event) | {"recorded_at": to_datetime(event.recorded_at_ns)}


#: How records become rows where a field is not a column.
_ROWS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "orders": _order_row,
    "events": _event_row,
    "entries": lambda entry: (
        asdict(entry) | {"ledger_transaction": entry.transaction, "amount": from_atoms(entry.amount_atoms)}
    ),
    "security_events": security_row,
}
#: What is listed twice under one key is stored as it stood last.
_KEYS = {"orders": "order_number", "balances": "asset", "positions": "position_id"}
_NAMES = tuple(name for name in CommitBatch.__struct_fields__ if name not in ("form", "parts", "mark"))


def batch_row(batch: CommitBatch, step: int) -> dict[str, Any]:
    """The records as `paper_commit` takes them for the commit of this number; nothing empty."""
    row: dict[str, Any] = {"step": step, "state": {"form": batch.form}}
    for name in _NAMES:
        records = getattr(batch, name)
        if name in _KEYS:
            records = list({getattr(record, _KEYS[name]): record for record in records}.values())
        if name in _ROWS:
            records = [_ROWS[name](record) for record in records]
        if records or isinstance(records, int):
            row[name] = records
    return row


def part_rows(changes: Iterable[PartChange]) -> dict[str, Any]:
    """The parts to put and those that are gone; nothing empty."""
    rows: dict[str, Any] = {}
    for each in changes:
        row: dict[str, Any] = {"part": each.part, "key": each.key}
        if each.state is None:
            rows.setdefault("gone", []).append(row)
        else:
            rows.setdefault("put", []).append({**row, "state": msgspec.Raw(each.state)})
    return rows


def text_amounts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    """Amounts by asset as text."""
    return {asset: format(amount, "f") for asset, amount in amounts.items()}
