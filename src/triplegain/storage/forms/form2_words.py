"""The words that form 2 wrote values in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

#: What a part holds, by its name and key.
Parts = dict[tuple[str, str], Any]
PartRows = Iterable[tuple[tuple[str, str], Any]]

_EVENT = ("sequence", "time_ns", "visible_at_ns")
_OF_ORDER = (*_EVENT, "order_number", "client_order_id")
#: Of each kind of event its word in form 3, and its fields in the order in which form 2 listed them.
_EVENTS = {
    "OrderSubmitted": ("submitted", (*_EVENT, "order_number", "order_id", "request", "arrives_at_ns")),
    "OrderAccepted": ("accepted", (*_OF_ORDER, "symbol", "held_asset", "held")),
    "OrderRejected": ("rejected", (*_OF_ORDER, "symbol", "code", "reason")),
    "OrderFilled": ("filled", (
        *_OF_ORDER, "fill_number", "fill_id", "symbol", "side", "price", "quantity", "notional", "fee", "fee_asset",
        "maker", "cumulative_quantity", "status", "explanation",
    )),
    "OrderCancelled": ("cancelled", (*_OF_ORDER, "symbol", "status", "reason", "cumulative_quantity")),
    "OrderTriggered": ("triggered", (*_OF_ORDER, "symbol", "trigger", "last")),
    "OrderAmended": ("amended", (*_OF_ORDER, "symbol", "quantity", "price", "queue_kept")),
    "CommandRefused": ("refused", (*_EVENT, "client_order_id", "command", "code", "reason", "amend")),
}  # fmt: skip


def timed(stored: Any) -> Any:
    """The same with every time that goes by its name as a number; form 2 wrote most of them as text."""
    match stored:
        case Mapping():
            return {name: _time(each) if name.endswith("_ns") else timed(each) for name, each in stored.items()}
        case list():
            return [timed(each) for each in stored]
        case _:
            return stored


def _time(stored: Any) -> Any:
    return int(stored) if isinstance(stored, str) and stored.removeprefix("-").isdecimal() else timed(stored)


def named(names: str, values: Iterable[Any]) -> dict[str, Any]:
    """The fields of a record that form 2 wrote as their list."""
    return timed(dict(zip(names.split(), values, strict=True)))  # type: ignore[no-any-return]


def amount(text: str | None) -> str | None:
    """As form 3 writes it: what is compared with what would be written must be the same text."""
    return None if text is None else str(Decimal(text))


def units(atoms: str) -> str:
    """An amount that was counted in steps of 1e-18."""
    whole, rest = divmod(int(atoms), 10**18)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")


def without(name: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    return {each: value for each, value in stored.items() if each != name}


#: A change of an order as it was asked for.
AMENDMENT = "client_order_id quantity price"


def event(stored: list[Any], request: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """An answer of the exchange, its fields by name; `request` converts an order inside it."""
    kind, *values = stored
    word, names = _EVENTS[kind]
    fields = {name: _plain(value, request) for name, value in zip(names, values, strict=True)}
    # Of an order that is cut to the lot it says how much can be traded; form 2 did not know.
    return {"kind": word, **fields, **({"quantity": None} if word == "submitted" else {})}


def _plain(value: Any, request: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Any:
    """What was no plain JSON was a one-key object naming its type."""
    match value:
        case {"request": asked}:
            return request(asked)
        case {"amend": asked}:
            return named(AMENDMENT, asked)
        case {"decimal": plain} | {"side": plain} | {"status": plain} | {"mapping": plain}:
            return plain
        case _:
            return value
