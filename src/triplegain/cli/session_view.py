"""One stored session as `session show` tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from triplegain.cli.tables import amount, listing, moment, pairs, price, signed_amount, signed_usd, traded_by
from triplegain.domain.orders import OrderStatus
from triplegain.domain.records import OrderRecord, SessionRecord
from triplegain.storage.database import Database
from triplegain.storage.session_reader import SessionReader
from triplegain.storage.session_report import read_results

_OPEN = [status for status in OrderStatus if not status.is_final]
_ROWS_MAX = 100


async def read_session(database: Database, session_id: str) -> dict[str, Any]:
    """`session`, who `traded`, `statement`, `balances`, `positions` and `orders` (open ones).

    Raises SessionNotFoundError.
    """
    reader = SessionReader(database)
    session = await reader.session(session_id)
    (result,) = await read_results(database, [session])
    return {
        "session": session,
        "traded": result.traded,
        "statement": result.statement,
        "balances": await reader.balances(session_id),
        "positions": await reader.positions(session_id, open_only=True, limit=_ROWS_MAX),
        "orders": await reader.orders(session_id, statuses=_OPEN, limit=_ROWS_MAX),
    }


def session_view(found: Mapping[str, Any]) -> RenderableType:
    """What `read_session` found, for eyes."""
    session = found["session"]
    facts: list[tuple[str, RenderableType]] = [
        ("Session", Text(session.session_id, style="bold")),
        ("Status", Text(session.status.value)),
        ("Feed", Text(session.feed)),
        ("Traded by", Text(traded_by(found["traded"]))),
        ("Profit", Text.assemble(signed_usd(found["statement"].profit), " USD")),
        ("Seed", Text(str(session.seed))),
        ("Created", Text(f"{moment(session.created_at_ns)} UTC")),
        ("Last stored", Text(f"{moment(session.updated_at_ns)} UTC")),
        ("Market time", Text(f"{moment(session.market_time_ns)} UTC")),
        ("Opened with", Text(", ".join(amount(each, name).plain for name, each in session.initial_balances.items()))),
        ("Settings", Text(_settings(session))),
    ]
    parts: list[RenderableType] = [pairs(facts)]
    if found["balances"]:
        balances = listing("Asset", "Total", "Held", right=("Total", "Held"), title="Balances")
        for each in found["balances"]:
            balances.add_row(each.asset, amount(each.total), amount(each.held))
        parts.append(balances)
    if found["positions"]:
        numbers = ("Quantity", "Entry", "Stop", "Target", "Realised")
        positions = listing("Position", "Pair", *numbers, right=numbers, title="Open positions")
        for each in found["positions"]:
            positions.add_row(
                each.position_id,
                each.symbol,
                amount(each.quantity),
                price(each.average_entry),
                price(each.stop) if each.stop is not None else "none",
                price(each.target) if each.target is not None else "none",
                signed_amount(each.realised, each.symbol.partition("/")[2]),
            )
        parts.append(positions)
    if found["orders"]:
        orders = listing("Order", "Pair", "Side", "Type", "Price", "Filled", "Status", title="Open orders")
        for each in found["orders"]:
            orders.add_row(*order_cells(each))
        parts.append(orders)
    return Group(*parts)


def _settings(session: SessionRecord) -> str:
    """Those that are one value; `--json` has all."""
    single = {name: value for name, value in session.settings.items() if not isinstance(value, (Mapping, list))}
    return ", ".join(f"{name} {value}" for name, value in single.items()) or "see --json"


def order_cells(order: OrderRecord) -> tuple[str, ...]:
    """Client id, pair, side, type, price, filled of quantity, status."""
    request = order.request
    named = request.terms.price if order.price is None else order.price
    asked = "market" if named is None else price(named).plain
    filled = f"{amount(order.filled_quantity)} of {amount(order.quantity)}"
    status = order.status.value.replace("_", " ")
    return request.client_order_id, request.symbol, request.side.value, request.terms.kind.value, asked, filled, status
