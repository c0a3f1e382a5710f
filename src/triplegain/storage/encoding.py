"""A commit batch as JSON for the database: amounts as exact text, enumerations as their words, nothing empty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.exchange_events import ExchangeEvent, OrderFilled
from triplegain.domain.ledger_entry import LedgerEntry
from triplegain.domain.money import from_atoms
from triplegain.domain.orders import OrderRequest
from triplegain.domain.records import CommitBatch, OrderRecord

_COLUMNS = {"sequence", "time_ns", "visible_at_ns", "order_number"}
#: What of an event is not a column; a fill's explanation is stored with the fill.
_NO_REST = _COLUMNS | {"explanation"}
_ORDER = tuple(name for name in OrderRecord.__struct_fields__ if name != "request")
#: Lists whose records are stored as they are: a field is a column.
_DIRECT = (
    "decisions", "portfolio_snapshots", "position_snapshots", "security_events", "analyses", "votes", "outcomes",
    "risk", "alerts", "hodl",
)  # fmt: skip
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_UNSTORABLE = "\ufffd"


def _foreign(value: object) -> object:
    """Mappings that are no dicts."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


_ENCODER = msgspec.json.Encoder(enc_hook=_foreign, decimal_format="string")


def encode(value: object) -> bytes:
    """Any JSON-able value, dataclass or Decimal. Raises TypeError for anything else.

    Characters that PostgreSQL cannot hold become U+FFFD: no model may stop a commit by what it answers.
    """
    try:
        raw = _ENCODER.encode(value)
    except UnicodeEncodeError:
        raw = _ENCODER.encode(_storable(msgspec.to_builtins(value, enc_hook=_foreign)))
    return _NUL.sub(rb"\1" + _UNSTORABLE.encode(), raw) if b"\\u0000" in raw else raw


def storable(words: str) -> str:
    """Text as PostgreSQL can hold it: NUL and lone surrogates become U+FFFD."""
    return "".join(_UNSTORABLE if each == "\0" or "\ud800" <= each <= "\udfff" else each for each in words)


def _storable(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case dict():
            return {_storable(name): _storable(each) for name, each in value.items()}
        case list() | tuple():
            return [_storable(each) for each in value]
        case _:
            return value


def terms_row(request: OrderRequest) -> dict[str, Any]:
    """Order terms with their kind, so that they can be told apart when read."""
    return {"kind": request.terms.kind} | msgspec.structs.asdict(request.terms)


def order_row(order: OrderRecord) -> dict[str, Any]:
    request = order.request
    row = {name: getattr(order, name) for name in _ORDER}
    row.update(
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side.value,
        order_type=request.terms.kind,
        terms=terms_row(request),
        requested_quantity=request.quantity,
        time_in_force=request.time_in_force,
        expires_at_ns=request.expires_at_ns,
        leverage=request.leverage,
        self_trade=request.self_trade,
        position_id=request.position_id,
        purpose=request.purpose,
    )
    return row


def event_row(event: ExchangeEvent) -> dict[str, Any]:
    rest = {name: _spelled(value) for name, value in msgspec.structs.asdict(event).items() if name not in _NO_REST}
    return {
        "sequence": event.sequence,
        "kind": event.kind,
        "order_number": getattr(event, "order_number", None),
        "time_ns": event.time_ns,
        "visible_at_ns": event.visible_at_ns,
        "event": rest,
    }


def fill_row(fill: OrderFilled) -> dict[str, Any]:
    return msgspec.structs.asdict(fill)


def entry_row(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "transaction": entry.transaction,
        "time_ns": entry.time_ns,
        "kind": entry.kind,
        "account": entry.account,
        "asset": entry.asset,
        "amount": from_atoms(entry.amount_atoms),
        "order_number": entry.order_number,
        "fill_number": entry.fill_number,
    }


def batch_row(batch: CommitBatch) -> dict[str, Any]:
    """The argument of `paper_commit`. What is listed twice under one key is stored as it stood last."""
    row: dict[str, Any] = {
        "feed_position": batch.feed_position,
        "market_time_ns": batch.market_time_ns,
        "recorded_at_ns": batch.recorded_at_ns,
        "events": [event_row(event) for event in batch.events],
        "orders": [order_row(order) for order in _last(batch.orders, "order_number")],
        "fills": [fill_row(fill) for fill in batch.fills],
        "entries": [entry_row(entry) for entry in batch.entries],
        "balances": _last(batch.balances, "asset"),
    }
    row.update((name, getattr(batch, name)) for name in _DIRECT)
    row["positions"] = [_sided(position) for position in _last(batch.positions, "position_id")]
    return {name: value for name, value in row.items() if value or isinstance(value, int)}


def _last(records: Iterable[Any], key: str) -> list[Any]:
    return list({getattr(record, key): record for record in records}.values())


def _sided(record: Any) -> dict[str, Any]:
    return {name: _spelled(getattr(record, name)) for name in record.__struct_fields__}


def _spelled(value: Any) -> Any:
    if isinstance(value, OrderRequest):
        rest = {name: each for name, each in msgspec.structs.asdict(value).items() if name != "terms"}
        return rest | {"terms": terms_row(value)}
    return value


def text_amounts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    """Amounts by asset as text."""
    return {asset: format(amount, "f") for asset, amount in amounts.items()}
