"""`orders` and `fills`: those of a session, running or over, with the ids by which `explain` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from triplegain.cli.client import JsonOption, StoredSessionOption, tell
from triplegain.cli.database import read_session_of
from triplegain.cli.tables import RIGHT, WHOLE, amount, moment, price, table_of, worded
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.json_form import fields_of, plain_json
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import OrderRecord
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader

LimitOption = Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")]
_OPEN = [status for status in OrderStatus if not status.is_final]
_FILL_FIELDS = (
    "fill_id", "client_order_id", "symbol", "price", "quantity", "notional", "fee", "fee_asset", "maker", "time_ns",
)  # fmt: skip


def fills(limit: LimitOption = 100, as_json: JsonOption = False, session: StoredSessionOption = None) -> None:
    """The fills of a session, newest first, each with the id by which `explain` takes it."""

    async def read(database: Database, session_id: str) -> tuple[str, list[OrderFilled], Mapping[int, str]]:
        reader = SessionReader(database)
        found = await reader.fills(session_id, limit=limit, newest_first=True)
        return session_id, found, await reader.order_ids(session_id, {fill.order_number for fill in found})

    tell(as_json, read_session_of(session, read), _fills_view, _fills_as_json)


def orders(
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
    session: StoredSessionOption = None,
) -> None:
    """The open orders of a session, or all, newest first, with the ids by which `explain` takes them."""

    async def read(database: Database, session_id: str) -> tuple[str, list[OrderRecord]]:
        status = None if everything else _OPEN
        reader = SessionReader(database)
        return session_id, await reader.orders(session_id, status=status, limit=limit, newest_first=True)

    tell(as_json, read_session_of(session, read), lambda found: _orders_view(*found), _orders_as_json)


def _fills_view(found: tuple[str, list[OrderFilled], Mapping[int, str]]) -> RenderableType:
    session, rows, _ = found
    if not rows:
        return f"PAPER  no fills in {session}"
    return table_of(
        rows,
        ("fill, order", lambda fill: f"{fill.fill_id}\n{fill.client_order_id}", WHOLE),
        ("time", lambda fill: moment(fill.time_ns).replace(" ", "\n"), WHOLE),
        ("", lambda fill: f"{fill.side.value} {fill.symbol}\n{'maker' if fill.maker else 'taker'}", WHOLE),
        ("quantity", lambda fill: amount(fill.quantity), RIGHT),
        ("price", lambda fill: price(fill.price), RIGHT),
        title=f"PAPER  Fills of {session}",
    )


def _fills_as_json(found: tuple[str, list[OrderFilled], Mapping[int, str]]) -> dict[str, Any]:
    session, rows, order_ids = found
    told = [
        {"order_id": order_ids[fill.order_number], "side": fill.side.value, **fields_of(fill, *_FILL_FIELDS)}
        for fill in rows
    ]
    return {"mode": "paper", "session": session, "fills": told}


def _orders_view(session: str, rows: list[OrderRecord]) -> RenderableType:
    if not rows:
        return f"PAPER  no such orders in {session}"
    return table_of(
        rows,
        ("order", lambda order: f"{order.order_id}\n{order.request.client_order_id}", WHOLE),
        (
            "",
            lambda order: f"{order.request.side.value} {order.request.symbol}\n{order.request_now.terms.words}",
            WHOLE,
        ),
        ("quantity", lambda order: amount(order.quantity), RIGHT),
        ("filled", lambda order: amount(order.filled_quantity), RIGHT),
        ("status", lambda order: worded(order.status.value) + (f": {order.code}" if order.code else "")),
        title=f"PAPER  Orders of {session}",
    )


def _orders_as_json(found: tuple[str, list[OrderRecord]]) -> dict[str, Any]:
    session, rows = found
    return {"mode": "paper", "session": session, "orders": plain_json(rows)}
