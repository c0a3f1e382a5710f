"""`order`: check, edit, batch, cancel-after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from triplegain.cli.client import JsonOption, SessionOption, part, running_system, tell
from triplegain.cli.orders import order_line
from triplegain.domain.ids import request_id

_Name = Annotated[str, typer.Argument(metavar="ID", help="Client order id or order id.", show_default=False)]


def edit(
    name: _Name,
    quantity: Annotated[str | None, typer.Option(help="New quantity.")] = None,
    price: Annotated[str | None, typer.Option(help="New limit or trigger price.")] = None,
    deadline: Annotated[str | None, typer.Option(metavar="5s", help="Refused if it arrives later than this.")] = None,
    new_name: Annotated[str | None, typer.Option("--id", help="Client order id of the new order.")] = None,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Put a new order in the place of an open one: it goes to the back of the queue."""
    if quantity is None and price is None:
        raise typer.BadParameter("say what to change: --quantity, --price, or both")
    changes = {
        "quantity": quantity,
        "price": price,
        "deadline": deadline,
        "client_order_id": new_name or f"cli-{request_id()}",
    }
    with running_system(session) as api:
        tell(as_json, api.post(f"/paper/orders/{part(name)}/edit", changes), order_line)


def batch(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A JSON list of orders, as the API takes them.")],
    check: Annotated[bool, typer.Option("--check", help="Ask of each what would be said to it; send none.")] = False,
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Place 2 to 15 orders of one pair together, or only ask what would be said to them."""
    try:
        orders = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}") from None
    if not isinstance(orders, list) or not all(isinstance(each, dict) for each in orders):
        raise typer.BadParameter(f"{file} holds no list of orders")
    with running_system(session) as api:
        if check:
            found = [api.post("/paper/orders/validate", order) for order in orders]
            tell(as_json, found, lambda answers: f"PAPER  nothing stands against {len(answers)} orders; none was sent")
            return
        named = [{"client_order_id": f"cli-{request_id()}", **order} for order in orders]
        tell(as_json, api.post("/paper/orders/batch", {"orders": named}), _lines)


def cancel_after(
    seconds: Annotated[int, typer.Argument(metavar="SECONDS", help="Of market time; 0 switches it off.")],
    as_json: JsonOption = False,
    session: SessionOption = None,
) -> None:
    """Cancel every order unless this is said again in time: the exchange's dead man's switch."""
    with running_system(session) as api:
        tell(as_json, api.post("/paper/orders/cancel-all-after", {"timeout": seconds}), _switch)


def _lines(answer: dict[str, Any]) -> str:
    return "\n".join(order_line(each) for each in answer["items"])


def _switch(answer: dict[str, Any]) -> str:
    if answer["cancels_at"] is None:
        return "PAPER  the switch is off: nothing is cancelled by time"
    return (
        f"PAPER  every order is cancelled at {answer['cancels_at'][:19]} UTC of market time, unless this is said again"
    )
