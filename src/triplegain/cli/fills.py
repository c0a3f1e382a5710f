"""`fills`: those of a session, running or over, with the ids by which `explain` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from triplegain.cli.client import JsonOption, StoredSessionOption, tell
from triplegain.cli.database import read_session_of
from triplegain.cli.order_lists import LimitOption, more_below
from triplegain.cli.tables import RIGHT, WHOLE, amount, moment, price, table_of
from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.json_form import fields_of
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader

_FILL_FIELDS = (
    "fill_id", "client_order_id", "symbol", "price", "quantity", "notional", "fee", "fee_asset", "maker", "time_ns",
)  # fmt: skip


def fills(limit: LimitOption = 100, as_json: JsonOption = False, session: StoredSessionOption = None) -> None:
    """The fills of a session, newest first, each with the id by which `explain` takes it."""

    async def read(database: Database, session_id: str) -> tuple[str, list[OrderFilled], Mapping[int, str]]:
        reader = SessionReader(database)
        found = await reader.fills(session_id, limit=limit + 1, newest_first=True)
        return session_id, found, await reader.order_ids(session_id, {fill.order_number for fill in found})

    found_in, found, order_ids = read_session_of(session, read)
    cut_to = limit if len(found) > limit else None
    tell(
        as_json,
        (found_in, found[:limit], order_ids),
        lambda told: more_below(_fills_view(told), cut_to),
        _fills_as_json,
    )


def _fills_view(found: tuple[str, list[OrderFilled], Mapping[int, str]]) -> RenderableType:
    session, rows, _ = found
    if not rows:
        return f"PAPER  no fills in {session}"
    return table_of(
        rows,
        ("fill, order", lambda fill: f"{fill.fill_id}\n{fill.client_order_id}", WHOLE),
        ("time", lambda fill: moment(fill.time_ns), WHOLE),
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
