"""The orders of a session listed: `orders` those that are stored, running or over; `order list` those of a running
session, as its other `order` commands tell of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.cli.client import JsonOption, SessionOption, StoredSessionOption, running_system, tell
from triplegain.cli.database import read_session_of
from triplegain.cli.tables import QUIET, RIGHT, WHOLE, amount, average, brief, price, table_of, worded
from triplegain.domain.json_form import fields_of, plain_json
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import OrderRecord
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader

AllOption = Annotated[bool, typer.Option("--all", help="Those that are over, too.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, the newest first.")]
_OPEN = [status for status in OrderStatus if not status.is_final]
#: An order as the API has it, as far as a list needs it.
_Row = Mapping[str, Any]


def orders(
    everything: AllOption = False,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
    session: StoredSessionOption = None,
) -> None:
    """The open orders of a session, or all, newest first, with the ids by which `explain` takes them."""

    async def read(database: Database, session_id: str) -> tuple[str, list[OrderRecord]]:
        status = None if everything else _OPEN
        reader = SessionReader(database)
        return session_id, await reader.orders(session_id, status=status, limit=limit + 1, newest_first=True)

    found_in, records = read_session_of(session, read)
    rows = [{**plain_json(each), **_as_api(each)} for each in records[:limit]]
    _tell(as_json, found_in, rows, everything, cut_to=limit if len(records) > limit else None)


def list_(everything: AllOption = False, as_json: JsonOption = False, session: SessionOption = None) -> None:
    """The open orders, newest first."""
    with running_system(session) as api:
        wanted = {} if everything else {"status": [each.value for each in _OPEN]}
        _tell(as_json, api.session, api.pages("/paper/orders", wanted), everything)


def _as_api(record: OrderRecord) -> dict[str, Any]:
    """The fields of an order as the API has them, as far as they are not those of the record."""
    request = record.request_now
    return {
        **fields_of(request, "client_order_id", "symbol", "side"),
        "order_type": request.terms.kind.value,
        "asked": request.terms.words,
        "price": plain_json(record.price_now),
        "average_price": plain_json(record.average_price),
    }


def _tell(as_json: bool, session: str, rows: Sequence[_Row], everything: bool, cut_to: int | None = None) -> None:
    told = {"mode": "paper", "session": session, "orders": rows}
    tell(as_json, rows, lambda found: more_below(_view(session, found, everything), cut_to), lambda _: told)


def more_below(view: RenderableType, cut_to: int | None) -> RenderableType:
    """With the words that there are more than those, the newest."""
    return view if cut_to is None else Group(view, Text(f"the newest {cut_to}: `--limit` tells more", style=QUIET))


def _view(session: str, rows: Sequence[_Row], everything: bool) -> RenderableType:
    what = "orders" if everything else "open orders"
    if not rows:
        return f"PAPER  no {what} in {session}"
    return table_of(
        rows,
        ("order", lambda each: f"{each['order_id']}\n{each['client_order_id']}", WHOLE),
        ("", lambda each: f"{each['side']} {each['symbol']}\n{each['order_type']}", WHOLE),
        ("price", lambda each: "\n".join(_prices(each)), RIGHT),
        ("filled", lambda each: "\n".join(_filled(each)), RIGHT),
        ("status", lambda each: worded(each["status"]) + (f": {each['code']}" if each["code"] else "")),
        title=f"PAPER  {what.capitalize()} of {session}",
    )


def _prices(row: _Row) -> Iterator[str]:
    """As it stands, or was asked for until then, and that of what has filled."""
    asked = row["asked"].removeprefix(row["order_type"]).removeprefix("at ").strip()
    yield asked if row["price"] is None else price(row["price"]).plain
    if row["average_price"] is not None:
        yield f"avg {average(brief(Decimal(row['average_price'])))}"


def _filled(row: _Row) -> Iterator[str]:
    filled, wanted = (amount(Decimal(row[name])).plain for name in ("filled_quantity", "quantity"))
    yield filled
    yield f"of {wanted}"
